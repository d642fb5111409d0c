# shows: make -j4 of 20 files and a link; nothing to do the second time; the program runs
# run: /bin/sh
# needs: program make
# timeout: 600
{
  printf 'OBJECTS='; for i in $(seq 1 20); do printf 'part%d.o ' $i; done; echo 'main.o'
  printf 'program: $(OBJECTS)\n\tgcc -o program $(OBJECTS)\n%%.o: %%.c common.h\n\tgcc -O2 -c -o $@ $<\n'
} > Makefile
echo '#include <stdio.h>' > common.h
for i in $(seq 1 20); do
  printf '#include "common.h"\n#include <stdlib.h>\n#include <string.h>\nstatic int order(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }\nint part%d(int n) { int *v = malloc(n * sizeof *v), r = %d; for (int i = 0; i < n; i++) v[i] = (int)(i * 2654435761u %% 1000); qsort(v, n, sizeof *v, order); for (int i = 0; i < n; i++) r = r * 31 + v[i]; free(v); return r; }\n' $i $i > part$i.c
done
{
  echo '#include "common.h"'
  for i in $(seq 1 20); do echo "int part$i(int);"; done
  echo 'int main(void) { int r = 0;'
  for i in $(seq 1 20); do echo "r ^= part$i(1000);"; done
  printf '%s\n' 'printf("result %d\n", r); return 0; }'
} > main.c
make -s -j4 && ./program
make -q && echo 'up to date'
touch part3.c
make -j4 | grep -c gcc
./program
