// SPDX-License-Identifier: Apache-2.0

package import MeshModel

/// A mesh.yaml that was read without any fault: what is wanted, and where each part of it is written.
package struct MeshFile: Sendable {
    /// With every default expanded.
    package let spec: MeshSpec
    /// For messages about the spec that arise later, such as lint findings.
    package let sources: SourceMap
}

/// Reads a mesh.yaml. Throws every fault of the file at once; `file` is only its name in messages.
package func readMesh(text: String, file: String) throws(MeshFaults) -> MeshFile {
    let log = FaultLog(file: file)
    let bare = text.unicodeScalars.first == "\u{FEFF}" ? String(text.unicodeScalars.dropFirst()) : text
    guard let root = YAMLComposer.compose(bare, log: log) else { throw log.faults }
    let spec = SpecReader(log: log).read(root)
    guard log.isEmpty, let spec else { throw log.faults }
    return MeshFile(spec: spec, sources: SourceMap(root: root))
}

/// Reads a mesh.yaml as it lies on disk; bytes that are not UTF-8 are a fault with its place.
package func readMesh(bytes: [UInt8], file: String) throws(MeshFaults) -> MeshFile {
    guard bytes.count <= TextGuard.longest, let text = String(validating: bytes, as: UTF8.self) else {
        let log = FaultLog(file: file)
        if bytes.count > TextGuard.longest {
            log.add(.start, "the file has \(bytes.count) bytes; a mesh file has at most \(TextGuard.longest >> 20) MiB")
        } else if bytes.starts(with: [0xFF, 0xFE]) || bytes.starts(with: [0xFE, 0xFF]) {
            log.add(.start, "the file is written in UTF-16; save it as UTF-8")
        } else {
            log.add(firstNonUTF8(bytes), "this byte is not UTF-8; save the file as UTF-8")
        }
        throw log.faults
    }
    return try readMesh(text: text, file: file)
}

private func firstNonUTF8(_ bytes: [UInt8]) -> Place {
    var place = Place.start
    var decoder = UTF8()
    var iterator = bytes.makeIterator()
    while case .scalarValue(let scalar) = decoder.decode(&iterator) {
        if scalar == "\n" { place = Place(line: place.line + 1, column: 1) } else { place.column += 1 }
    }
    return place
}
