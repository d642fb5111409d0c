#include "CStub.h"
typedef int rsb_stub_placeholder;
