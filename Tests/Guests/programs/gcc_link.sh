# shows: gcc and g++: preprocess, compile, assemble, link static and dynamic, a shared library, errors; the results run
# run: /bin/sh
# needs: program gcc
# timeout: 300
cat > hello.c <<'END'
#include <stdio.h>
int answer(void);
int main(void) { printf("compiled %d\n", answer()); return 0; }
END
echo 'int answer(void) { return 42; }' > answer.c
gcc -O2 -Wall -c hello.c && gcc -O2 -c answer.c && gcc -o hello hello.o answer.o && ./hello
gcc -static -o hello-static hello.o answer.o && ./hello-static
gcc -shared -fPIC -o libanswer.so answer.c && gcc -o hello-shared hello.c -L. -lanswer -Wl,-rpath,. && ./hello-shared
ar rcs libold.a answer.o && gcc -o hello-old hello.c libold.a && ./hello-old
echo 'int broken( { }' > broken.c
gcc -c broken.c 2> /dev/null; echo "broken $?"
cat > plus.cpp <<'END'
#include <iostream>
#include <map>
#include <string>
int main() { std::map<std::string, int> m{{"one", 1}, {"two", 2}}; for (auto &[k, v] : m) std::cout << k << ' ' << v << '\n'; }
END
g++ -std=c++17 -O1 -o plus plus.cpp && ./plus
objdump -d answer.o | grep -c ret
ls | sort | tr '\n' ' '; echo
