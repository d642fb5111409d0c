// Guest programs of these tests: C, compiled when first asked for, into a folder of this process.

import CLinux
import Glibc
import Testing

/// A program by name and source.
struct Guest {
  let name: String
  let source: String
  /// Of the compiler, beside the usual.
  var flags: [String] = []

  /// The program's file. Compiles it with gcc where it is not there yet.
  func build() throws -> String {
    let path = try Folder.path + "/" + name
    if access(path, X_OK) == 0 { return path }
    let sourcePath = path + ".c"
    let file = try #require(fopen(sourcePath, "w"))
    fputs(source, file)
    fclose(file)
    try #require(spawn(["gcc", "-O1", "-g", "-pthread", "-Wall"] + flags + ["-o", path, sourcePath]) == 0, "gcc \(name)")
    return path
  }

  /// Runs a program to its end and returns its exit code.
  private func spawn(_ line: [String]) -> Int32 {
    var arguments: [UnsafeMutablePointer<CChar>?] = line.map { strdup($0) }
    arguments.append(nil)
    defer { for argument in arguments { free(argument) } }
    var pid: pid_t = 0
    if posix_spawnp(&pid, line[0], nil, nil, arguments, environ) != 0 { return -1 }
    var status: Int32 = 0
    while waitpid(pid, &status, 0) == -1 && errno == EINTR {}
    return status
  }
}

/// Where the programs lie, and what they write.
enum Folder {
  nonisolated(unsafe) private static var made: String?

  /// Made at the first call, and removed with what is in it when the process ends.
  static var path: String {
    get throws {
      if let made { return made }
      var template = Array("/tmp/replaysb-explore-XXXXXX".utf8CString)
      try #require(mkdtemp(&template) != nil)
      let path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
      made = path
      atexit { Folder.remove() }
      return path
    }
  }
}

extension Folder {
  fileprivate static func remove() {
    guard let made, let folder = opendir(made) else { return }
    while let entry = readdir(folder) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      unlink("\(made)/\(name)")
    }
    closedir(folder)
    rmdir(made)
  }
}

extension Guest {
  private static let head = """
    #define _GNU_SOURCE
    #include <errno.h>
    #include <fcntl.h>
    #include <pthread.h>
    #include <signal.h>
    #include <spawn.h>
    #include <stdio.h>
    #include <stdlib.h>
    #include <string.h>
    #include <sys/mman.h>
    #include <sys/stat.h>
    #include <sys/time.h>
    #include <sys/wait.h>
    #include <time.h>
    #include <unistd.h>
    extern char **environ;

    """

  /// A program of Tests/Guests/bugs.
  static func bug(_ name: String) throws -> Guest {
    let folder = #filePath.split(separator: "/").dropLast(2).reduce("") { $0 + "/" + $1 } + "/Guests/bugs/"
    let header = try text(folder + "bug.h")
    return Guest(name: name, source: try text(folder + name + ".c").replacing("#include \"bug.h\"", with: header))
  }

  private static func text(_ path: String) throws -> String {
    let file = try #require(fopen(path, "r"), "\(path)")
    defer { fclose(file) }
    var bytes = [UInt8](repeating: 0, count: 1 << 16)
    bytes.removeLast(bytes.count - fread(&bytes, 1, bytes.count, file))
    return String(decoding: bytes, as: UTF8.self)
  }

  init(_ name: String, flags: [String] = [], _ body: String) {
    self.name = name
    self.flags = flags
    source = Self.head + body
  }

  /// Two threads with a mutex, a hundred operations each.
  static let mutex = Guest(
    "mutex",
    """
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static int counter;
    static void *work(void *unused) {
      for (int i = 0; i < 100; i++) {
        pthread_mutex_lock(&lock);
        counter++;
        pthread_mutex_unlock(&lock);
      }
      return unused;
    }
    int main(void) {
      pthread_t a, b;
      pthread_create(&a, NULL, work, NULL);
      pthread_create(&b, NULL, work, NULL);
      pthread_join(a, NULL);
      pthread_join(b, NULL);
      return counter == 200 ? 0 : 1;
    }
    """)

  /// Lost updates: what it prints depends on the schedule.
  static let race = Guest(
    "race",
    """
    static int counter;
    static void *work(void *unused) {
      for (int i = 0; i < 50; i++) __asm__ volatile("incl %0" : "+m"(counter));
      return unused;
    }
    int main(void) {
      pthread_t a, b;
      printf("before\\n");
      fflush(stdout);
      pthread_create(&a, NULL, work, NULL);
      pthread_create(&b, NULL, work, NULL);
      pthread_join(a, NULL);
      pthread_join(b, NULL);
      printf("%d\\n", counter);
      return counter == 100 ? 0 : 1;
    }
    """)

  /// Children, a pipe that was there before them, exit statuses.
  static let forks = Guest(
    "forks",
    """
    int main(void) {
      int ends[2];
      if (pipe(ends)) return 1;
      if (write(ends[1], "early ", 6) != 6) return 1;
      for (int i = 0; i < 3; i++) {
        if (fork() == 0) {
          char c = 'a' + i;
          for (int k = 0; k < 2; k++) if (write(ends[1], &c, 1) != 1) _exit(9);
          _exit(10 + i);
        }
      }
      int sum = 0, status;
      while (wait(&status) > 0) sum += WEXITSTATUS(status);
      close(ends[1]);
      char text[64] = {0};
      int used = 0, count;
      while ((count = read(ends[0], text + used, 60 - used)) > 0) used += count;
      printf("%s %d %d\\n", text, used, sum);
      return sum == 33 && used == 12 ? 0 : 1;
    }
    """)

  /// Shared anonymous memory, written before and after the fork.
  static let shared = Guest(
    "shared",
    """
    int main(void) {
      volatile int *word = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
      if (word == MAP_FAILED || *word != 0) return 2;
      *word = 5;
      if (fork() == 0) {
        for (int i = 0; i < 10; i++) word[0]++;
        word[100000] = 1;
        _exit(0);
      }
      for (int i = 0; i < 10; i++) word[0]++;
      wait(NULL);
      printf("%d %d\\n", word[0], word[100000]);
      return word[0] >= 15 && word[0] <= 25 && word[100000] == 1 ? 0 : 1;
    }
    """)

  /// A file mapped shared and writable before the fork, and read by read(2).
  static let sharedFile = Guest(
    "shared-file",
    """
    int main(void) {
      int file = open("made-by-shared-file", O_RDWR | O_CREAT, 0600);
      if (file < 0 || ftruncate(file, 8192)) return 2;
      char *place = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
      const char *view = mmap(NULL, 8192, PROT_READ, MAP_SHARED, file, 0);
      if (place == MAP_FAILED || view == MAP_FAILED || view[0] != 0 || view[4096] != 0) return 3;
      place[0] = 'a';
      if (fork() == 0) {
        place[1] = 'b';
        if (pwrite(file, "d", 1, 3) != 1) _exit(1);
        _exit(0);
      }
      wait(NULL);
      place[2] = 'c';
      char text[8] = {0};
      if (pread(file, text, 4, 0) != 4) return 4;
      printf("%s %.4s\\n", text, view);
      place[4096] = 'x';
      if (ftruncate(file, 100)) return 5;
      return strcmp(text, "abcd") || memcmp(view, "abcd", 4) ? 1 : 0;
    }
    """)

  /// Files made before and after: the next execution must not see them.
  static let files = Guest(
    "files",
    """
    static void *work(void *unused) {
      int file = open("made-by-files-2", O_RDWR | O_CREAT | O_EXCL, 0600);
      if (file < 0 || write(file, "two", 3) != 3) exit(2);
      close(file);
      file = open("made-by-files-1", O_RDWR | O_APPEND);
      if (file < 0 || write(file, "more", 4) != 4) exit(3);
      close(file);
      return unused;
    }
    int main(void) {
      int file = open("made-by-files-1", O_RDWR | O_CREAT | O_EXCL, 0600);
      if (file < 0 || write(file, "one", 3) != 3) return 4;
      pthread_t a;
      pthread_create(&a, NULL, work, NULL);
      pthread_join(a, NULL);
      char text[32] = {0};
      if (pread(file, text, 31, 0) != 7) return 5;
      printf("%s\\n", text);
      return rename("made-by-files-2", "made-by-files-3") || access("made-by-files-2", F_OK) == 0;
    }
    """)

  /// Timers and signals that are pending or armed when the first thread is made.
  static let signals = Guest(
    "signals",
    """
    static volatile sig_atomic_t alarms, users, timers;
    static void on(int number) {
      if (number == SIGALRM) alarms++;
      if (number == SIGUSR1) users++;
      if (number == SIGUSR2) timers++;
    }
    static void *work(void *unused) {
      struct timespec time = {0, 3000000};
      while (nanosleep(&time, &time)) {}
      return unused;
    }
    int main(void) {
      struct sigaction action = {.sa_handler = on};
      sigaction(SIGALRM, &action, NULL);
      sigaction(SIGUSR1, &action, NULL);
      sigaction(SIGUSR2, &action, NULL);
      struct itimerval interval = {{0, 5000}, {0, 5000}};
      setitimer(ITIMER_REAL, &interval, NULL);
      struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR2};
      timer_t timer;
      timer_create(CLOCK_MONOTONIC, &event, &timer);
      struct itimerspec once = {{0, 0}, {0, 12000000}};
      timer_settime(timer, 0, &once, NULL);
      sigset_t set;
      sigemptyset(&set);
      sigaddset(&set, SIGUSR1);
      pthread_sigmask(SIG_BLOCK, &set, NULL);
      raise(SIGUSR1);
      pthread_t a;
      pthread_create(&a, NULL, work, NULL);
      while (alarms < 3 || timers < 1) pause();
      pthread_join(a, NULL);
      pthread_sigmask(SIG_UNBLOCK, &set, NULL);
      printf("%d %d\\n", users, timers);
      return users == 1 ? 0 : 1;
    }
    """)

  /// A program that is executed after the state was held.
  static let spawn = Guest(
    "spawn",
    """
    int main(void) {
      char *line[] = {"echo", "spawned", NULL};
      pid_t child;
      fflush(stdout);
      if (posix_spawn(&child, "/bin/echo", NULL, NULL, line, environ)) return 2;
      int status;
      waitpid(child, &status, 0);
      return WEXITSTATUS(status);
    }
    """)

  /// A file that is mapped privately and writable, and written to after the state was held: no branch can have both.
  static let refused = Guest(
    "refused",
    """
    static int file;
    static void *work(void *unused) {
      if (pwrite(file, "new", 3, 4096) != 3) exit(2);
      return unused;
    }
    int main(void) {
      file = open("made-by-refused", O_RDWR | O_CREAT, 0600);
      if (file < 0 || ftruncate(file, 8192)) return 3;
      char *place = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
      place[0] = 'p';
      pthread_t a;
      pthread_create(&a, NULL, work, NULL);
      pthread_join(a, NULL);
      return place[0] == 'p' && !memcmp(place + 4096, "new", 3) ? 0 : 1;
    }
    """)

  /// Code that was made before the first thread, in low and in high memory, executed and changed after.
  static let code = Guest(
    "code",
    """
    typedef int function(void);
    static void make(unsigned char *place, int value) {
      unsigned char bytes[6] = {0xb8, value, 0, 0, 0, 0xc3};
      memcpy(place, bytes, 6);
    }
    static unsigned char *low, *high;
    static void *work(void *unused) {
      int sum = 0;
      for (int i = 0; i < 4; i++) {
        make(low, i);
        make(high, 10 * i);
        sum += ((function *)low)() + ((function *)high)();
      }
      printf("%d\\n", sum);
      return unused;
    }
    int main(void) {
      int all = PROT_READ | PROT_WRITE | PROT_EXEC, flags = MAP_PRIVATE | MAP_ANONYMOUS;
      low = mmap(NULL, 4096, all, flags | MAP_32BIT, -1, 0);
      high = mmap((void *)0x300000000000, 4096, all, flags | MAP_FIXED, -1, 0);
      make(low, 3);
      make(high, 4);
      int sum = ((function *)low)() + ((function *)high)();
      pthread_t a;
      pthread_create(&a, NULL, work, NULL);
      pthread_join(a, NULL);
      return sum == 7 && ((function *)low)() == 3 && ((function *)high)() == 30 ? 0 : 1;
    }
    """)

  /// No task but the first.
  static let alone = Guest(
    "alone",
    """
    int main(void) {
      char text[16] = {0};
      int count = read(0, text, 15);
      printf("alone %d %s\\n", count, text);
      return 3;
    }
    """)
}
