// SPDX-License-Identifier: Apache-2.0

package import MeshSystem

/// A file of credentials that is replaced as a whole, and never lost on the way (D28: `tool > file` emptied four of them).
///
///     old ──copy──> old + kept ──replace──> new + kept ──checked──> new
///                                              │ found bad, or we died
///                                              └──restore──> old
package struct CredentialFile: Sendable {
    /// Of one file; a kubeconfig of a thousand contexts has about 8 MiB.
    package static let longest = 16 << 20

    private let path: String
    private let files: any FileStore

    /// - Parameter path: absolute, links resolved.
    package init(_ path: String, files: any FileStore) {
        self.path = path
        self.files = files
    }

    /// Where the old content is kept until the new one is known to be good.
    package var keptPath: String { path + ".meshgate-old" }

    /// The content; `nil` when there is no file. When an earlier replacement was cut off, the old content is restored first: the new one was
    /// never checked.
    package func read() throws -> [UInt8]? {
        if let kept = try files.read(keptPath, limit: Self.longest) {
            try files.write(kept, to: path)
            try files.remove(keptPath)
        }
        return try files.read(path, limit: Self.longest)
    }

    /// Puts `new` in the place of what is there, mode 0600, and calls `check` with what is then in the file. When that throws, the old content
    /// is back, or the file is gone when there was none.
    package func replace(with new: [UInt8], check: ([UInt8]) async throws -> Void) async throws {
        let old = try read()
        if let old { try files.write(old, to: keptPath) }
        do {
            try files.write(new, to: path)
            try await check(files.read(path, limit: Self.longest) ?? [])
        } catch {
            if let old { try files.write(old, to: path) } else { try files.remove(path) }
            try files.remove(keptPath)
            throw error
        }
        try files.remove(keptPath)
    }
}
