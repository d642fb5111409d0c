// shows: dlopen, dlsym and dlclose of a library with its own TLS, constructors and lazy binding; RTLD_NEXT; threads using it.
// build: dynamic -O1 -pthread -ldl -rdynamic
#include <dlfcn.h>
#include "guest.h"

int from_program(int value) { return value * 3; }

static void *in_thread(void *argument) {
  double (*cosine)(double) = (double (*)(double))dlsym(argument, "cos");
  return (void *)(long)(cosine && cosine(0.0) == 1.0);
}

int main(void) {
  void *math = dlopen("libm.so.6", RTLD_NOW | RTLD_LOCAL);
  CHECK(math != NULL);
  if (!math) return 1;
  pthread_t threads[3];
  for (int i = 0; i < 3; i++) ZERO(pthread_create(&threads[i], NULL, in_thread, math));
  for (int i = 0; i < 3; i++) {
    void *value;
    ZERO(pthread_join(threads[i], &value));
    CHECK(value == (void *)1);
  }
  double (*root)(double) = (double (*)(double))dlsym(math, "sqrt");
  CHECK(root && root(81.0) == 9.0);
  CHECK(dlsym(math, "no_such_symbol_at_all") == NULL && dlerror() != NULL);
  CHECK(dlopen("libno-such-library.so", RTLD_NOW) == NULL);
  int (*own)(int) = (int (*)(int))dlsym(dlopen(NULL, RTLD_NOW), "from_program");
  CHECK(own && own(5) == 15);
  ZERO(dlclose(math));
  void *again = dlopen("libm.so.6", RTLD_LAZY);
  CHECK(again != NULL);
  return guest_done("shared_objects");
}
