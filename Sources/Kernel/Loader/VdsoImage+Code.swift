// What the vdso's functions do, as machine code.

import LinuxABI

extension VdsoImage {
  /// A function's code: bytes, and between them distances to the page of data.
  typealias Code = [CodePart]
  enum CodePart {
    case bytes([UInt8])
    case distanceToData
  }

  static func call(_ number: UInt64) -> Code {
    var bytes: [UInt8] = [0xb8]  // mov eax, number
    bytes.appendInteger(UInt32(number))
    return [.bytes(bytes + [0x0f, 0x05, 0xc3])]  // syscall; ret
  }

  /// RDTSC into rax: nanoseconds.
  private static let readCounter: [UInt8] = [
    0x0f, 0x31,  // rdtsc
    0x48, 0xc1, 0xe2, 0x20,  // shl rdx, 32
    0x48, 0x09, 0xd0,  // or rax, rdx
  ]
  /// Nanoseconds in rax to seconds there and the rest in rdx.
  private static let splitSeconds: [UInt8] = [
    0x31, 0xd2,  // xor edx, edx
    0xb9, 0x00, 0xca, 0x9a, 0x3b,  // mov ecx, 1000000000
    0x48, 0xf7, 0xf1,  // div rcx
  ]
  private static let addRealtime: Code = [.bytes([0x48, 0x03, 0x05]), .distanceToData]  // add rax, [data]
  private static let returnZero: [UInt8] = [0x31, 0xc0, 0xc3]  // xor eax, eax; ret

  /// CLOCK_REALTIME, CLOCK_MONOTONIC and its kin that tell the same; others by a call.
  static let clockGetTime: Code =
    [
      .bytes([
        0x83, 0xff, 0x01,  // cmp edi, 1 (CLOCK_MONOTONIC)
        0x74, 0x1f,  // je monotonic
        0x85, 0xff,  // test edi, edi
        0x74, 0x12,  // je realtime
        0x83, 0xff, 0x04,  // cmp edi, 4 (CLOCK_MONOTONIC_RAW)
        0x74, 0x16,  // je monotonic
        0x83, 0xff, 0x07,  // cmp edi, 7 (CLOCK_BOOTTIME)
        0x74, 0x11,  // je monotonic
      ])
    ] + call(SyscallNumber.clock_gettime) + [
      .bytes([0x48, 0x8b, 0x0d]), .distanceToData,  // realtime: mov rcx, [data]
      .bytes(
        [
          0xeb, 0x02,  // jmp over the next
          0x31, 0xc9,  // monotonic: xor ecx, ecx
        ] + readCounter + [
          0x48, 0x01, 0xc8,  // add rax, rcx
        ] + splitSeconds + [
          0x48, 0x89, 0x06,  // mov [rsi], rax
          0x48, 0x89, 0x56, 0x08,  // mov [rsi + 8], rdx
        ] + returnZero),
    ]

  /// A null pointer or a timezone: by a call.
  static let getTimeOfDay: Code =
    [
      .bytes([
        0x48, 0x85, 0xf6,  // test rsi, rsi
        0x75, 0x05,  // jne call
        0x48, 0x85, 0xff,  // test rdi, rdi
        0x75, 0x08,  // jne over the call
      ])
    ] + call(SyscallNumber.gettimeofday) + [.bytes(readCounter)] + addRealtime + [
      .bytes(
        splitSeconds + [
          0x48, 0x89, 0x07,  // mov [rdi], rax
          0x89, 0xd0,  // mov eax, edx
          0x31, 0xd2,  // xor edx, edx
          0xb9, 0xe8, 0x03, 0x00, 0x00,  // mov ecx, 1000
          0xf7, 0xf1,  // div ecx
          0x48, 0x89, 0x47, 0x08,  // mov [rdi + 8], rax
        ] + returnZero)
    ]

  static let time: Code =
    [.bytes(readCounter)] + addRealtime + [
      .bytes(
        splitSeconds + [
          0x48, 0x85, 0xff,  // test rdi, rdi
          0x74, 0x03,  // je over the next
          0x48, 0x89, 0x07,  // mov [rdi], rax
          0xc3,  // ret
        ])
    ]
}
