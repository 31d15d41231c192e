// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshSystem
import MeshTrust

/// The definitions of one release of the Gateway API, as bytes whose digest is known before any cluster sees them.
///
///     manifests/gateway-api-1.3.0.yaml     beside mesh.yaml: used in place of the web, where there is no way to it
///     manifests/gateway-api-1.3.0.sha256   beside mesh.yaml: the pin, as `sha256sum` writes it; anything else is refused
///
/// Without a pin, what came first is what every later cluster and run must get: its digest is kept in the work directory.
struct GatewayManifest: Sendable {
    let tools: Toolbox
    let version: SemanticVersion

    /// The standard channel of 1.4 has 700 KiB.
    private static let longest = 16 << 20

    struct Content: Hashable, Sendable {
        var bytes: [UInt8]
        var digest: Digest
        var isPinned: Bool
    }

    /// What is pinned, or came first, or comes now for the first time. Applied is only what was also kept.
    func content() async throws -> Content {
        let pin = try digest(in: tools.absolute("manifests/\(name).sha256"))
        let own = try tools.files.read(tools.absolute("manifests/\(name).yaml"), limit: Self.longest)
        if own == nil, let kept = try kept(as: pin) { return kept }
        let bytes: [UInt8]
        if let own { bytes = own } else { bytes = try await PinnedSource(tools: tools).download(address) }
        let found = Digest.sha256(bytes)
        if let pin, pin != found { throw GatewayManifestError.otherThanPinned(name, wanted: pin, found: found) }
        return Content(bytes: bytes, digest: found, isPinned: pin != nil)
    }

    /// Remembers what was understood: a proxy's page must not become what came first. Clusters ask at the same time, so that who is first
    /// is settled by one of them alone.
    func keep(_ content: Content) throws {
        if !content.isPinned {
            let first = try tools.claims.alone { () throws -> Digest in
                if let known = try digest(in: firstPath) { return known }
                try tools.files.write(Array((content.digest.hex + "\n").utf8), to: firstPath)
                return content.digest
            }
            guard first == content.digest else {
                throw GatewayManifestError.otherThanFirst(name, first: first, found: content.digest, record: firstPath)
            }
        }
        try tools.files.write(content.bytes, to: keptPath)
    }

    private var name: String { "gateway-api-\(version)" }
    private var keptPath: String { "\(tools.workDirectory)/\(name).yaml" }
    private var firstPath: String { "\(tools.workDirectory)/\(name).sha256" }
    private var address: String {
        "https://github.com/kubernetes-sigs/gateway-api/releases/download/v\(version)/standard-install.yaml"
    }

    /// What an earlier cluster got, when its digest is still the right one: the release is fetched once for all.
    private func kept(as pin: Digest?) throws -> Content? {
        guard let wanted = try pin ?? digest(in: firstPath), let bytes = try tools.files.read(keptPath, limit: Self.longest),
            Digest.sha256(bytes) == wanted
        else { return nil }
        return Content(bytes: bytes, digest: wanted, isPinned: pin != nil)
    }

    /// `nil` when there is no such file; a file without a digest is a mistake and not "no pin".
    private func digest(in path: String) throws -> Digest? {
        guard let bytes = try tools.files.read(path, limit: 4096) else { return nil }
        let word = String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isWhitespace).first.map { $0.lowercased() } ?? ""
        guard let digest = decodeHex(word).flatMap({ Digest($0) }) else { throw GatewayManifestError.noDigest(path) }
        return digest
    }
}

/// Why the Gateway API's definitions are not applied.
enum GatewayManifestError: Error, Hashable, CustomStringConvertible {
    case otherThanPinned(String, wanted: Digest, found: Digest)
    case otherThanFirst(String, first: Digest, found: Digest, record: String)
    case noDigest(String)
    case unreadable(String, problem: String)

    var description: String {
        switch self {
        case .otherThanPinned(let name, let wanted, let found):
            "\(name) has SHA-256 \(found.hex), and manifests/\(name).sha256 says \(wanted.hex): it was changed since it was pinned, and is not applied"
        case .otherThanFirst(let name, let first, let found, let record):
            "\(name) has SHA-256 \(found.hex), and what came first had \(first.hex): one of them is not the release. Compare both with the "
                + "release's own checksum; then write the right one to manifests/\(name).sha256 beside mesh.yaml, which counts before \(record)"
        case .noDigest(let path): "\(path) does not begin with a SHA-256; write it as `sha256sum` does, or remove the file"
        case .unreadable(let name, let problem): "\(name) is not applied: \(problem)"
        }
    }
}
