// SPDX-License-Identifier: Apache-2.0

import MeshHTTP
import MeshSystem

/// Turns a context's credential into what one request carries.
struct KubernetesAuthenticator: Sendable {
    let files: any FileStore
    let plugins: ExecCredentials

    struct Proof: Sendable {
        var token: String?
        var certificate: HTTPTLS.Identity?
    }

    func proof(for access: ClusterAccess) async throws -> Proof {
        let credential = access.credential
        var proof = Proof(certificate: credential.certificate)
        switch credential.token {
        case .literal(let token): proof.token = token
        case .file(let path): proof.token = try token(in: path, access)
        case nil:
            if let plugin = credential.plugin {
                let answer = try await plugins.answer(of: plugin, for: access)
                proof.token = answer.token
                proof.certificate = proof.certificate ?? answer.certificate
            }
        }
        // Whoever listens on the way would have it; within this machine there is no way.
        guard proof.token == nil || access.server.hasPrefix("https://") || isLoopback(access.server) else {
            throw KubernetesError.credential(
                context: access.context, problem: "its server \(access.server.shown) is not https, and a token is not sent in the clear")
        }
        if let token = proof.token, token.utf8.contains(where: { $0 <= 0x20 || $0 >= 0x7f }) {
            throw KubernetesError.credential(context: access.context, problem: "its token holds white space or control characters")
        }
        return proof
    }

    /// After a 401: true when there is something newer to try with.
    func renew(for access: ClusterAccess) async -> Bool {
        guard access.credential.token == nil, let plugin = access.credential.plugin else { return false }
        await plugins.forget(plugin, for: access)
        return true
    }

    /// By address only: a name may lead anywhere.
    private func isLoopback(_ server: String) -> Bool {
        ["http://127.0.0.1:", "http://[::1]:"].contains { server.hasPrefix($0) && server.dropFirst($0.count).allSatisfy(\.isWholeNumber) }
    }

    private func token(in path: String, _ access: ClusterAccess) throws -> String {
        guard let bytes = try files.read(path, limit: 1 << 20) else {
            throw KubernetesError.credential(context: access.context, problem: "there is no token file \(path)")
        }
        let token = String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isWhitespace).joined(separator: " ")
        guard !token.isEmpty else {
            throw KubernetesError.credential(context: access.context, problem: "the token file \(path) is empty")
        }
        return token
    }
}
