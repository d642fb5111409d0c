// Syscall numbers of x86-64: arch/x86/entry/syscalls/syscall_64.tbl.

/// The number of a syscall in the 64-bit table.
public enum SyscallNumber {
  public static let read: UInt64 = 0
  public static let write: UInt64 = 1
  public static let open: UInt64 = 2
  public static let close: UInt64 = 3
  public static let stat: UInt64 = 4
  public static let fstat: UInt64 = 5
  public static let lstat: UInt64 = 6
  public static let poll: UInt64 = 7
  public static let lseek: UInt64 = 8
  public static let mmap: UInt64 = 9
  public static let mprotect: UInt64 = 10
  public static let munmap: UInt64 = 11
  public static let brk: UInt64 = 12
  public static let rt_sigaction: UInt64 = 13
  public static let rt_sigprocmask: UInt64 = 14
  public static let rt_sigreturn: UInt64 = 15
  public static let ioctl: UInt64 = 16
  public static let pread64: UInt64 = 17
  public static let pwrite64: UInt64 = 18
  public static let readv: UInt64 = 19
  public static let writev: UInt64 = 20
  public static let access: UInt64 = 21
  public static let pipe: UInt64 = 22
  public static let select: UInt64 = 23
  public static let sched_yield: UInt64 = 24
  public static let mremap: UInt64 = 25
  public static let msync: UInt64 = 26
  public static let mincore: UInt64 = 27
  public static let madvise: UInt64 = 28
  public static let shmget: UInt64 = 29
  public static let shmat: UInt64 = 30
  public static let shmctl: UInt64 = 31
  public static let dup: UInt64 = 32
  public static let dup2: UInt64 = 33
  public static let pause: UInt64 = 34
  public static let nanosleep: UInt64 = 35
  public static let getitimer: UInt64 = 36
  public static let alarm: UInt64 = 37
  public static let setitimer: UInt64 = 38
  public static let getpid: UInt64 = 39
  public static let sendfile: UInt64 = 40
  public static let socket: UInt64 = 41
  public static let connect: UInt64 = 42
  public static let accept: UInt64 = 43
  public static let sendto: UInt64 = 44
  public static let recvfrom: UInt64 = 45
  public static let sendmsg: UInt64 = 46
  public static let recvmsg: UInt64 = 47
  public static let shutdown: UInt64 = 48
  public static let bind: UInt64 = 49
  public static let listen: UInt64 = 50
  public static let getsockname: UInt64 = 51
  public static let getpeername: UInt64 = 52
  public static let socketpair: UInt64 = 53
  public static let setsockopt: UInt64 = 54
  public static let getsockopt: UInt64 = 55
  public static let clone: UInt64 = 56
  public static let fork: UInt64 = 57
  public static let vfork: UInt64 = 58
  public static let execve: UInt64 = 59
  public static let exit: UInt64 = 60
  public static let wait4: UInt64 = 61
  public static let kill: UInt64 = 62
  public static let uname: UInt64 = 63
  public static let semget: UInt64 = 64
  public static let semop: UInt64 = 65
  public static let semctl: UInt64 = 66
  public static let shmdt: UInt64 = 67
  public static let msgget: UInt64 = 68
  public static let msgsnd: UInt64 = 69
  public static let msgrcv: UInt64 = 70
  public static let msgctl: UInt64 = 71
  public static let fcntl: UInt64 = 72
  public static let flock: UInt64 = 73
  public static let fsync: UInt64 = 74
  public static let fdatasync: UInt64 = 75
  public static let truncate: UInt64 = 76
  public static let ftruncate: UInt64 = 77
  public static let getdents: UInt64 = 78
  public static let getcwd: UInt64 = 79
  public static let chdir: UInt64 = 80
  public static let fchdir: UInt64 = 81
  public static let rename: UInt64 = 82
  public static let mkdir: UInt64 = 83
  public static let rmdir: UInt64 = 84
  public static let creat: UInt64 = 85
  public static let link: UInt64 = 86
  public static let unlink: UInt64 = 87
  public static let symlink: UInt64 = 88
  public static let readlink: UInt64 = 89
  public static let chmod: UInt64 = 90
  public static let fchmod: UInt64 = 91
  public static let chown: UInt64 = 92
  public static let fchown: UInt64 = 93
  public static let lchown: UInt64 = 94
  public static let umask: UInt64 = 95
  public static let gettimeofday: UInt64 = 96
  public static let getrlimit: UInt64 = 97
  public static let getrusage: UInt64 = 98
  public static let sysinfo: UInt64 = 99
  public static let times: UInt64 = 100
  public static let ptrace: UInt64 = 101
  public static let getuid: UInt64 = 102
  public static let syslog: UInt64 = 103
  public static let getgid: UInt64 = 104
  public static let setuid: UInt64 = 105
  public static let setgid: UInt64 = 106
  public static let geteuid: UInt64 = 107
  public static let getegid: UInt64 = 108
  public static let setpgid: UInt64 = 109
  public static let getppid: UInt64 = 110
  public static let getpgrp: UInt64 = 111
  public static let setsid: UInt64 = 112
  public static let setreuid: UInt64 = 113
  public static let setregid: UInt64 = 114
  public static let getgroups: UInt64 = 115
  public static let setgroups: UInt64 = 116
  public static let setresuid: UInt64 = 117
  public static let getresuid: UInt64 = 118
  public static let setresgid: UInt64 = 119
  public static let getresgid: UInt64 = 120
  public static let getpgid: UInt64 = 121
  public static let setfsuid: UInt64 = 122
  public static let setfsgid: UInt64 = 123
  public static let getsid: UInt64 = 124
  public static let capget: UInt64 = 125
  public static let capset: UInt64 = 126
  public static let rt_sigpending: UInt64 = 127
  public static let rt_sigtimedwait: UInt64 = 128
  public static let rt_sigqueueinfo: UInt64 = 129
  public static let rt_sigsuspend: UInt64 = 130
  public static let sigaltstack: UInt64 = 131
  public static let utime: UInt64 = 132
  public static let mknod: UInt64 = 133
  public static let uselib: UInt64 = 134
  public static let personality: UInt64 = 135
  public static let ustat: UInt64 = 136
  public static let statfs: UInt64 = 137
  public static let fstatfs: UInt64 = 138
  public static let sysfs: UInt64 = 139
  public static let getpriority: UInt64 = 140
  public static let setpriority: UInt64 = 141
  public static let sched_setparam: UInt64 = 142
  public static let sched_getparam: UInt64 = 143
  public static let sched_setscheduler: UInt64 = 144
  public static let sched_getscheduler: UInt64 = 145
  public static let sched_get_priority_max: UInt64 = 146
  public static let sched_get_priority_min: UInt64 = 147
  public static let sched_rr_get_interval: UInt64 = 148
  public static let mlock: UInt64 = 149
  public static let munlock: UInt64 = 150
  public static let mlockall: UInt64 = 151
  public static let munlockall: UInt64 = 152
  public static let vhangup: UInt64 = 153
  public static let modify_ldt: UInt64 = 154
  public static let pivot_root: UInt64 = 155
  public static let _sysctl: UInt64 = 156
  public static let prctl: UInt64 = 157
  public static let arch_prctl: UInt64 = 158
  public static let adjtimex: UInt64 = 159
  public static let setrlimit: UInt64 = 160
  public static let chroot: UInt64 = 161
  public static let sync: UInt64 = 162
  public static let acct: UInt64 = 163
  public static let settimeofday: UInt64 = 164
  public static let mount: UInt64 = 165
  public static let umount2: UInt64 = 166
  public static let swapon: UInt64 = 167
  public static let swapoff: UInt64 = 168
  public static let reboot: UInt64 = 169
  public static let sethostname: UInt64 = 170
  public static let setdomainname: UInt64 = 171
  public static let iopl: UInt64 = 172
  public static let ioperm: UInt64 = 173
  public static let create_module: UInt64 = 174
  public static let init_module: UInt64 = 175
  public static let delete_module: UInt64 = 176
  public static let get_kernel_syms: UInt64 = 177
  public static let query_module: UInt64 = 178
  public static let quotactl: UInt64 = 179
  public static let nfsservctl: UInt64 = 180
  public static let getpmsg: UInt64 = 181
  public static let putpmsg: UInt64 = 182
  public static let afs_syscall: UInt64 = 183
  public static let tuxcall: UInt64 = 184
  public static let security: UInt64 = 185
  public static let gettid: UInt64 = 186
  public static let readahead: UInt64 = 187
  public static let setxattr: UInt64 = 188
  public static let lsetxattr: UInt64 = 189
  public static let fsetxattr: UInt64 = 190
  public static let getxattr: UInt64 = 191
  public static let lgetxattr: UInt64 = 192
  public static let fgetxattr: UInt64 = 193
  public static let listxattr: UInt64 = 194
  public static let llistxattr: UInt64 = 195
  public static let flistxattr: UInt64 = 196
  public static let removexattr: UInt64 = 197
  public static let lremovexattr: UInt64 = 198
  public static let fremovexattr: UInt64 = 199
  public static let tkill: UInt64 = 200
  public static let time: UInt64 = 201
  public static let futex: UInt64 = 202
  public static let sched_setaffinity: UInt64 = 203
  public static let sched_getaffinity: UInt64 = 204
  public static let set_thread_area: UInt64 = 205
  public static let io_setup: UInt64 = 206
  public static let io_destroy: UInt64 = 207
  public static let io_getevents: UInt64 = 208
  public static let io_submit: UInt64 = 209
  public static let io_cancel: UInt64 = 210
  public static let get_thread_area: UInt64 = 211
  public static let lookup_dcookie: UInt64 = 212
  public static let epoll_create: UInt64 = 213
  public static let epoll_ctl_old: UInt64 = 214
  public static let epoll_wait_old: UInt64 = 215
  public static let remap_file_pages: UInt64 = 216
  public static let getdents64: UInt64 = 217
  public static let set_tid_address: UInt64 = 218
  public static let restart_syscall: UInt64 = 219
  public static let semtimedop: UInt64 = 220
  public static let fadvise64: UInt64 = 221
  public static let timer_create: UInt64 = 222
  public static let timer_settime: UInt64 = 223
  public static let timer_gettime: UInt64 = 224
  public static let timer_getoverrun: UInt64 = 225
  public static let timer_delete: UInt64 = 226
  public static let clock_settime: UInt64 = 227
  public static let clock_gettime: UInt64 = 228
  public static let clock_getres: UInt64 = 229
  public static let clock_nanosleep: UInt64 = 230
  public static let exit_group: UInt64 = 231
  public static let epoll_wait: UInt64 = 232
  public static let epoll_ctl: UInt64 = 233
  public static let tgkill: UInt64 = 234
  public static let utimes: UInt64 = 235
  public static let vserver: UInt64 = 236
  public static let mbind: UInt64 = 237
  public static let set_mempolicy: UInt64 = 238
  public static let get_mempolicy: UInt64 = 239
  public static let mq_open: UInt64 = 240
  public static let mq_unlink: UInt64 = 241
  public static let mq_timedsend: UInt64 = 242
  public static let mq_timedreceive: UInt64 = 243
  public static let mq_notify: UInt64 = 244
  public static let mq_getsetattr: UInt64 = 245
  public static let kexec_load: UInt64 = 246
  public static let waitid: UInt64 = 247
  public static let add_key: UInt64 = 248
  public static let request_key: UInt64 = 249
  public static let keyctl: UInt64 = 250
  public static let ioprio_set: UInt64 = 251
  public static let ioprio_get: UInt64 = 252
  public static let inotify_init: UInt64 = 253
  public static let inotify_add_watch: UInt64 = 254
  public static let inotify_rm_watch: UInt64 = 255
  public static let migrate_pages: UInt64 = 256
  public static let openat: UInt64 = 257
  public static let mkdirat: UInt64 = 258
  public static let mknodat: UInt64 = 259
  public static let fchownat: UInt64 = 260
  public static let futimesat: UInt64 = 261
  public static let newfstatat: UInt64 = 262
  public static let unlinkat: UInt64 = 263
  public static let renameat: UInt64 = 264
  public static let linkat: UInt64 = 265
  public static let symlinkat: UInt64 = 266
  public static let readlinkat: UInt64 = 267
  public static let fchmodat: UInt64 = 268
  public static let faccessat: UInt64 = 269
  public static let pselect6: UInt64 = 270
  public static let ppoll: UInt64 = 271
  public static let unshare: UInt64 = 272
  public static let set_robust_list: UInt64 = 273
  public static let get_robust_list: UInt64 = 274
  public static let splice: UInt64 = 275
  public static let tee: UInt64 = 276
  public static let sync_file_range: UInt64 = 277
  public static let vmsplice: UInt64 = 278
  public static let move_pages: UInt64 = 279
  public static let utimensat: UInt64 = 280
  public static let epoll_pwait: UInt64 = 281
  public static let signalfd: UInt64 = 282
  public static let timerfd_create: UInt64 = 283
  public static let eventfd: UInt64 = 284
  public static let fallocate: UInt64 = 285
  public static let timerfd_settime: UInt64 = 286
  public static let timerfd_gettime: UInt64 = 287
  public static let accept4: UInt64 = 288
  public static let signalfd4: UInt64 = 289
  public static let eventfd2: UInt64 = 290
  public static let epoll_create1: UInt64 = 291
  public static let dup3: UInt64 = 292
  public static let pipe2: UInt64 = 293
  public static let inotify_init1: UInt64 = 294
  public static let preadv: UInt64 = 295
  public static let pwritev: UInt64 = 296
  public static let rt_tgsigqueueinfo: UInt64 = 297
  public static let perf_event_open: UInt64 = 298
  public static let recvmmsg: UInt64 = 299
  public static let fanotify_init: UInt64 = 300
  public static let fanotify_mark: UInt64 = 301
  public static let prlimit64: UInt64 = 302
  public static let name_to_handle_at: UInt64 = 303
  public static let open_by_handle_at: UInt64 = 304
  public static let clock_adjtime: UInt64 = 305
  public static let syncfs: UInt64 = 306
  public static let sendmmsg: UInt64 = 307
  public static let setns: UInt64 = 308
  public static let getcpu: UInt64 = 309
  public static let process_vm_readv: UInt64 = 310
  public static let process_vm_writev: UInt64 = 311
  public static let kcmp: UInt64 = 312
  public static let finit_module: UInt64 = 313
  public static let sched_setattr: UInt64 = 314
  public static let sched_getattr: UInt64 = 315
  public static let renameat2: UInt64 = 316
  public static let seccomp: UInt64 = 317
  public static let getrandom: UInt64 = 318
  public static let memfd_create: UInt64 = 319
  public static let kexec_file_load: UInt64 = 320
  public static let bpf: UInt64 = 321
  public static let execveat: UInt64 = 322
  public static let userfaultfd: UInt64 = 323
  public static let membarrier: UInt64 = 324
  public static let mlock2: UInt64 = 325
  public static let copy_file_range: UInt64 = 326
  public static let preadv2: UInt64 = 327
  public static let pwritev2: UInt64 = 328
  public static let pkey_mprotect: UInt64 = 329
  public static let pkey_alloc: UInt64 = 330
  public static let pkey_free: UInt64 = 331
  public static let statx: UInt64 = 332
  public static let io_pgetevents: UInt64 = 333
  public static let rseq: UInt64 = 334
  public static let pidfd_send_signal: UInt64 = 424
  public static let io_uring_setup: UInt64 = 425
  public static let io_uring_enter: UInt64 = 426
  public static let io_uring_register: UInt64 = 427
  public static let open_tree: UInt64 = 428
  public static let move_mount: UInt64 = 429
  public static let fsopen: UInt64 = 430
  public static let fsconfig: UInt64 = 431
  public static let fsmount: UInt64 = 432
  public static let fspick: UInt64 = 433
  public static let pidfd_open: UInt64 = 434
  public static let clone3: UInt64 = 435
  public static let close_range: UInt64 = 436
  public static let openat2: UInt64 = 437
  public static let pidfd_getfd: UInt64 = 438
  public static let faccessat2: UInt64 = 439
  public static let process_madvise: UInt64 = 440
  public static let epoll_pwait2: UInt64 = 441
  public static let mount_setattr: UInt64 = 442
  public static let quotactl_fd: UInt64 = 443
  public static let landlock_create_ruleset: UInt64 = 444
  public static let landlock_add_rule: UInt64 = 445
  public static let landlock_restrict_self: UInt64 = 446
  public static let memfd_secret: UInt64 = 447
  public static let process_mrelease: UInt64 = 448
  public static let futex_waitv: UInt64 = 449
  public static let set_mempolicy_home_node: UInt64 = 450
  public static let cachestat: UInt64 = 451
  public static let fchmodat2: UInt64 = 452
  public static let map_shadow_stack: UInt64 = 453
  public static let futex_wake: UInt64 = 454
  public static let futex_wait: UInt64 = 455
  public static let futex_requeue: UInt64 = 456
  public static let statmount: UInt64 = 457
  public static let listmount: UInt64 = 458
  public static let lsm_get_self_attr: UInt64 = 459
  public static let lsm_set_self_attr: UInt64 = 460
  public static let lsm_list_modules: UInt64 = 461
  public static let mseal: UInt64 = 462
}

extension SyscallNumber {
  /// Names by number; empty where the table has a hole.
  public static let names: [String] = [
    "read", "write", "open", "close", "stat", "fstat", "lstat", "poll", "lseek", "mmap", "mprotect", "munmap",
    "brk", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "ioctl", "pread64", "pwrite64", "readv",
    "writev", "access", "pipe", "select", "sched_yield", "mremap", "msync", "mincore", "madvise", "shmget",
    "shmat", "shmctl", "dup", "dup2", "pause", "nanosleep", "getitimer", "alarm", "setitimer", "getpid",
    "sendfile", "socket", "connect", "accept", "sendto", "recvfrom", "sendmsg", "recvmsg", "shutdown", "bind",
    "listen", "getsockname", "getpeername", "socketpair", "setsockopt", "getsockopt", "clone", "fork",
    "vfork", "execve", "exit", "wait4", "kill", "uname", "semget", "semop", "semctl", "shmdt", "msgget",
    "msgsnd", "msgrcv", "msgctl", "fcntl", "flock", "fsync", "fdatasync", "truncate", "ftruncate", "getdents",
    "getcwd", "chdir", "fchdir", "rename", "mkdir", "rmdir", "creat", "link", "unlink", "symlink", "readlink",
    "chmod", "fchmod", "chown", "fchown", "lchown", "umask", "gettimeofday", "getrlimit", "getrusage",
    "sysinfo", "times", "ptrace", "getuid", "syslog", "getgid", "setuid", "setgid", "geteuid", "getegid",
    "setpgid", "getppid", "getpgrp", "setsid", "setreuid", "setregid", "getgroups", "setgroups", "setresuid",
    "getresuid", "setresgid", "getresgid", "getpgid", "setfsuid", "setfsgid", "getsid", "capget", "capset",
    "rt_sigpending", "rt_sigtimedwait", "rt_sigqueueinfo", "rt_sigsuspend", "sigaltstack", "utime", "mknod",
    "uselib", "personality", "ustat", "statfs", "fstatfs", "sysfs", "getpriority", "setpriority",
    "sched_setparam", "sched_getparam", "sched_setscheduler", "sched_getscheduler", "sched_get_priority_max",
    "sched_get_priority_min", "sched_rr_get_interval", "mlock", "munlock", "mlockall", "munlockall",
    "vhangup", "modify_ldt", "pivot_root", "_sysctl", "prctl", "arch_prctl", "adjtimex", "setrlimit",
    "chroot", "sync", "acct", "settimeofday", "mount", "umount2", "swapon", "swapoff", "reboot",
    "sethostname", "setdomainname", "iopl", "ioperm", "create_module", "init_module", "delete_module",
    "get_kernel_syms", "query_module", "quotactl", "nfsservctl", "getpmsg", "putpmsg", "afs_syscall",
    "tuxcall", "security", "gettid", "readahead", "setxattr", "lsetxattr", "fsetxattr", "getxattr",
    "lgetxattr", "fgetxattr", "listxattr", "llistxattr", "flistxattr", "removexattr", "lremovexattr",
    "fremovexattr", "tkill", "time", "futex", "sched_setaffinity", "sched_getaffinity", "set_thread_area",
    "io_setup", "io_destroy", "io_getevents", "io_submit", "io_cancel", "get_thread_area", "lookup_dcookie",
    "epoll_create", "epoll_ctl_old", "epoll_wait_old", "remap_file_pages", "getdents64", "set_tid_address",
    "restart_syscall", "semtimedop", "fadvise64", "timer_create", "timer_settime", "timer_gettime",
    "timer_getoverrun", "timer_delete", "clock_settime", "clock_gettime", "clock_getres", "clock_nanosleep",
    "exit_group", "epoll_wait", "epoll_ctl", "tgkill", "utimes", "vserver", "mbind", "set_mempolicy",
    "get_mempolicy", "mq_open", "mq_unlink", "mq_timedsend", "mq_timedreceive", "mq_notify", "mq_getsetattr",
    "kexec_load", "waitid", "add_key", "request_key", "keyctl", "ioprio_set", "ioprio_get", "inotify_init",
    "inotify_add_watch", "inotify_rm_watch", "migrate_pages", "openat", "mkdirat", "mknodat", "fchownat",
    "futimesat", "newfstatat", "unlinkat", "renameat", "linkat", "symlinkat", "readlinkat", "fchmodat",
    "faccessat", "pselect6", "ppoll", "unshare", "set_robust_list", "get_robust_list", "splice", "tee",
    "sync_file_range", "vmsplice", "move_pages", "utimensat", "epoll_pwait", "signalfd", "timerfd_create",
    "eventfd", "fallocate", "timerfd_settime", "timerfd_gettime", "accept4", "signalfd4", "eventfd2",
    "epoll_create1", "dup3", "pipe2", "inotify_init1", "preadv", "pwritev", "rt_tgsigqueueinfo",
    "perf_event_open", "recvmmsg", "fanotify_init", "fanotify_mark", "prlimit64", "name_to_handle_at",
    "open_by_handle_at", "clock_adjtime", "syncfs", "sendmmsg", "setns", "getcpu", "process_vm_readv",
    "process_vm_writev", "kcmp", "finit_module", "sched_setattr", "sched_getattr", "renameat2", "seccomp",
    "getrandom", "memfd_create", "kexec_file_load", "bpf", "execveat", "userfaultfd", "membarrier", "mlock2",
    "copy_file_range", "preadv2", "pwritev2", "pkey_mprotect", "pkey_alloc", "pkey_free", "statx",
    "io_pgetevents", "rseq", "", "", "", "", "", "", "", "", "", "", "", "", "", "", "", "", "", "", "", "",
    "", "", "", "", "", "", "", "", "", "", "", "", "", "", "", "", "", "", "", "", "", "", "", "", "", "",
    "", "", "", "", "", "", "", "", "", "", "", "", "", "", "", "", "", "", "", "", "", "", "", "", "", "",
    "", "", "", "", "", "", "", "", "", "", "", "", "", "", "", "", "", "pidfd_send_signal", "io_uring_setup",
    "io_uring_enter", "io_uring_register", "open_tree", "move_mount", "fsopen", "fsconfig", "fsmount",
    "fspick", "pidfd_open", "clone3", "close_range", "openat2", "pidfd_getfd", "faccessat2",
    "process_madvise", "epoll_pwait2", "mount_setattr", "quotactl_fd", "landlock_create_ruleset",
    "landlock_add_rule", "landlock_restrict_self", "memfd_secret", "process_mrelease", "futex_waitv",
    "set_mempolicy_home_node", "cachestat", "fchmodat2", "map_shadow_stack", "futex_wake", "futex_wait",
    "futex_requeue", "statmount", "listmount", "lsm_get_self_attr", "lsm_set_self_attr", "lsm_list_modules",
    "mseal",
  ]

  /// The name of a syscall, or `syscall_N` for an unknown number.
  public static func name(_ number: UInt64) -> String {
    if number < UInt64(names.count), !names[Int(number)].isEmpty { return names[Int(number)] }
    return "syscall_\(number)"
  }
}
