// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import MeshModel
import MeshSystem
import Rendering

/// Rendered files in a directory of the admin's. All are compared before the first is written, so that a refusal leaves everything as it was.
struct RenderedTree {
    let root: String
    let force: Bool

    enum Change: String { case written, replaced, unchanged }

    private struct Item {
        let file: RenderedFile
        let path: String
        let bytes: [UInt8]
        let change: Change
    }

    /// What became of each file, in their order.
    func write(_ files: [RenderedFile]) throws -> [(path: String, change: Change)] {
        do {
            let items = try files.map(compare)
            let differing = items.filter { $0.change == .replaced }.map(\.file.path)
            guard differing.isEmpty || force else {
                throw Failure(
                    .no,
                    "\(differing.joined(separator: ", ")) in \(root) \(differing.count == 1 ? "differs" : "differ") from what mesh.yaml gives; "
                        + "nothing was written. Look at the difference, then give --force")
            }
            for item in items where item.change != .unchanged { try write(item) }
            return items.map { ($0.file.path, $0.change) }
        } catch let failure as Failure {
            throw failure
        } catch {
            throw Failure(.io, "\(error)")
        }
    }

    private func compare(_ file: RenderedFile) throws -> Item {
        let (path, bytes) = ("\(root)/\(file.path)", Array(try file.content().utf8))
        let found = try LinuxFileStore().read(path, limit: 64 << 20)
        return Item(file: file, path: path, bytes: bytes, change: found == nil ? .written : found == bytes ? .unchanged : .replaced)
    }

    private func write(_ item: Item) throws {
        let directory = item.path.split(separator: "/").dropLast().joined(separator: "/")
        try FileManager.default.createDirectory(atPath: "/" + directory, withIntermediateDirectories: true)
        try LinuxFileStore().write(item.bytes, to: item.path, mode: item.file.isSecret ? 0o600 : 0o644)
    }
}

extension RenderedFile {
    /// As it is written and shown.
    func content() throws -> String {
        switch form {
        case .yaml(let documents): return YAMLText.documents(documents)
        case .text(let text): return text
        case .json(let value):
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
            return String(decoding: try encoder.encode(value), as: UTF8.self) + "\n"
        }
    }
}
