// The images of the program under check, from its own files on the host.

import DebugInfo
import Explore
import Kernel
import Platform

enum CodeImages {
  static let sizeMax = 1 << 30

  static func names(_ code: [LoadedCode]) -> CodeNames {
    var images: [LoadedImage] = []
    for entry in code {
      guard let bytes = HostFile.bytes(entry.path, sizeMax: sizeMax), let file = ElfFile(bytes),
        let bias = file.bias(ofMappingAt: entry.range.start.rawValue, offset: entry.offset)
      else { continue }
      images.append(
        LoadedImage(
          file: file, path: String(decoding: entry.path, as: UTF8.self), bias: bias, range: entry.range, isProgram: entry.isProgram))
    }
    return CodeNames(images)
  }
}
