// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import MeshSystem

/// Changes what a node believes of its kernel. The lab shows each node a copy of the configuration (`LabNodeMounts`), and this rewrites that copy in
/// place, as a boot into another kernel would.
struct LabKernel {
    /// The node's / as seen from here.
    let root: String

    static let option = "VXLAN"
    /// The last line about an option counts.
    private static let missing = Array("\nCONFIG_\(option)=n\n".utf8)

    func hide() throws { try rewrite { $0 + Self.missing } }

    func restore() throws {
        try rewrite { $0.suffix(Self.missing.count) == Self.missing[...] ? Array($0.dropLast(Self.missing.count)) : $0 }
    }

    private func rewrite(_ change: ([UInt8]) -> [UInt8]) throws {
        let path = root + LabNodeMounts.kernelConfiguration
        guard let bytes = LabFiles.bytes(path, limit: 4 << 20) else {
            throw LabError.unexpected(doing: "find the kernel configuration of a node", found: "no \(path)")
        }
        // As it was found: packed where the kernel shows it in /proc.
        let isPacked = bytes.starts(with: [0x1f, 0x8b])
        let text = isPacked ? try Gzip.decompress(bytes, limits: Gzip.Limits(outputBytes: 4 << 20)) : bytes
        let changed = isPacked ? try Gzip.compress(change(text)) : change(text)
        let descriptor = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC)
        guard descriptor >= 0 else { throw LabError.system(doing: "write", on: path, errno: errno) }
        defer { close(descriptor) }
        let written = changed.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
        guard written == changed.count else {
            throw LabError.unexpected(doing: "write \(path)", found: "\(written) of \(changed.count) bytes")
        }
    }
}
