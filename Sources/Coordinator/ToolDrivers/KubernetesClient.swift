// SPDX-License-Identifier: Apache-2.0

import MeshHTTP
import MeshModel

/// One cluster's API server over libcurl. Every answer that is not a success becomes an error with the server's own message, except that
/// "not found" is `nil`.
struct KubernetesClient: Sendable {
    let access: ClusterAccess
    let http: any HTTPClient

    func get(_ path: String) async throws -> HelmValue? {
        let response = try await send(.get, path)
        if response.status == 404 { return nil }
        return try body(of: response, .get, path)
    }

    /// All items of a list, `pageSize` at a time; smaller where items are large.
    func list(_ path: String, pageSize: Int = 500) async throws -> [HelmValue] {
        var items: [HelmValue] = []
        var more = ""
        repeat {
            let page = path + (path.contains("?") ? "&" : "?") + "limit=\(pageSize)" + (more.isEmpty ? "" : "&continue=\(more)")
            guard let list = try await get(page) else { return items }
            items += list["items"]?.list ?? []
            more = list["metadata", "continue"]?.string ?? ""
        } while !more.isEmpty
        return items
    }

    /// Server-side apply: creates the object or changes just the fields given.
    func apply(_ object: HelmValue, at path: String) async throws {
        let target = path + "?fieldManager=meshgate&force=true"
        let response = try await send(.patch, target, body: JSON.encode(object), type: "application/apply-patch+yaml")
        _ = try body(of: response, .patch, path)
    }

    /// Removes an object; one that is not there is fine.
    func delete(_ path: String) async throws {
        let response = try await send(.delete, path)
        if response.status != 404 { _ = try body(of: response, .delete, path) }
    }

    private func send(_ method: HTTPRequest.Method, _ path: String, body: [UInt8] = [], type: String? = nil) async throws -> HTTPResponse {
        var headers = [HTTPHeader("Accept", "application/json")]
        if let type { headers.append(HTTPHeader("Content-Type", type)) }
        if let token = access.token { headers.append(HTTPHeader("Authorization", "Bearer \(token)")) }
        var identity: HTTPTLS.Identity?
        if let certificate = access.clientCertificate, let key = access.clientKey {
            identity = HTTPTLS.Identity(certificate: certificate, key: key)
        }
        let tls = HTTPTLS(roots: access.authority.map { .pem($0) } ?? .system, identity: identity)
        return try await http.send(
            HTTPRequest(
                method, access.server + path, headers: headers, body: body, deadline: .seconds(20), responseLimit: 64 << 20, tls: tls))
    }

    private func body(of response: HTTPResponse, _ method: HTTPRequest.Method, _ path: String) throws -> HelmValue {
        let json = JSON.decode(response.body)
        guard response.isSuccess else {
            throw DriverError.kubernetes(
                method: method.rawValue, path: path, server: access.server, status: response.status,
                message: json?["message"]?.string ?? String(response.text.prefix(200)))
        }
        guard let json else { throw DriverError.unreadable(what: "the answer to \(method.rawValue) \(path)", where: access.server) }
        return json
    }
}
