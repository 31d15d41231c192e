// SPDX-License-Identifier: Apache-2.0

import MeshHTTP
import MeshModel
import MeshSystem
import MeshTrust

/// Fetches what is to be applied, and lets nothing through that is not what mesh.yaml says: a file of the admin's, or an https address whose
/// content has the pinned digest. Checked and applied are the same bytes; the tool never fetches for itself.
struct PinnedSource: Sendable {
    let tools: Toolbox

    /// Releases of large operators come to a few MiB.
    private static let longest = 64 << 20
    private static let mostRedirects = 5

    func bytes(of place: String, pinnedTo digest: Digest?) async throws -> [UInt8] {
        guard place.contains("://") else { return try check(local(place), place, digest) }
        let bytes = try await download(place)
        guard digest != nil else { throw ServiceError.unpinned(place: place, seen: Digest.sha256(bytes)) }
        return try check(bytes, place, digest)
    }

    private func local(_ path: String) throws -> [UInt8] {
        guard let bytes = try tools.files.read(tools.absolute(path), limit: Self.longest) else {
            throw ServiceError.noFile(tools.absolute(path))
        }
        return bytes
    }

    private func check(_ bytes: [UInt8], _ place: String, _ digest: Digest?) throws -> [UInt8] {
        let seen = Digest.sha256(bytes)
        guard digest == nil || digest == seen else { throw ServiceError.otherContent(place: place, wanted: digest ?? seen, seen: seen) }
        return bytes
    }

    /// Release pages redirect to where the bytes are. The digest decides what is taken, so that another host is no danger; plain http is,
    /// because it would tell a listener what is installed.
    func download(_ address: String) async throws -> [UInt8] {
        var url = address
        for _ in 0...Self.mostRedirects {
            guard url.hasPrefix("https://") || url == address else { throw ServiceError.redirect(from: address, to: url) }
            let response = try await tools.http.send(
                HTTPRequest(.get, url, deadline: .seconds(120), responseLimit: Self.longest))
            if (300..<400).contains(response.status), let next = response.header("Location") {
                url = next.hasPrefix("/") ? Self.origin(of: url) + next : next
                continue
            }
            guard response.isSuccess else { throw ServiceError.notServed(address, status: response.status) }
            return response.body
        }
        throw ServiceError.redirect(from: address, to: url)
    }

    private static func origin(of url: String) -> String {
        url.split(separator: "/", maxSplits: 3, omittingEmptySubsequences: false).prefix(3).joined(separator: "/")
    }
}

/// Why a service is not installed.
enum ServiceError: Error, CustomStringConvertible {
    case noFile(String)
    case unpinned(place: String, seen: Digest)
    case otherContent(place: String, wanted: Digest, seen: Digest)
    case redirect(from: String, to: String)
    case notServed(String, status: Int)
    case secret(key: String, problem: String)
    case notObjects(String)

    var description: String {
        switch self {
        case .noFile(let path): "there is no file \(path)"
        case .unpinned(let place, let seen):
            "\(place) is not pinned; look at what it serves now, and if it is right write sha256: \"\(seen.hex)\" next to it in mesh.yaml"
        case .otherContent(let place, let wanted, let seen):
            "\(place) has the digest \(seen.short), mesh.yaml says \(wanted.short): it was changed since it was pinned, and is not applied"
        case .redirect(let from, let to): "\(from) leads to \(to), which is not followed"
        case .notServed(let place, let status): "\(place) was answered with \(status)"
        case .secret(let key, let problem): "the secret value \"\(key)\" \(problem)"
        case .notObjects(let place): "\(place) holds no object of Kubernetes"
        }
    }
}
