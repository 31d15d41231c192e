// SPDX-License-Identifier: Apache-2.0

import MeshHTTP
package import MeshModel
import MeshSystem

/// One cluster's API server over libcurl. What is not there is `nil`, by the server's own word only; every other answer that is not what was
/// asked for is an error: garbage, a redirect, a page of a proxy, a list that was cut short. None of them ever looks like an empty list.
package struct KubernetesClient: Sendable {
    package let access: ClusterAccess
    let http: any HTTPClient
    let authenticator: KubernetesAuthenticator
    let patience: KubernetesPatience

    /// Of one answer; an object is at most 1.5 MiB in etcd, and pages are asked for by number of objects.
    private static let longestAnswer = 64 << 20
    private static let jsonType = "application/json"

    // MARK: reading

    /// One object, or `nil` when there is none of that name, or no such kind.
    package func get(_ path: String) async throws -> HelmValue? {
        let call = call(.get, path)
        let response = try await send(call)
        if response.status == 404, KubernetesStatus(response).isAbsence { return nil }
        return try json(of: response, call)
    }

    /// All items of a collection, `pageSize` at a time; smaller where items are large.
    package func list(_ path: String, pageSize: Int = 500) async throws -> [HelmValue] {
        var items: [HelmValue] = []
        try await pages(path, pageSize: pageSize, restart: { items = [] }, page: { items += $0 })
        return items
    }

    /// The same, and `nil` when the server does not serve this kind (its CRD is not installed).
    package func listIfServed(_ path: String, pageSize: Int = 500) async throws -> [HelmValue]? {
        do {
            return try await list(path, pageSize: pageSize)
        } catch KubernetesError.refused(_, _, let status) where status.isAbsence {
            return nil
        }
    }

    /// A collection page by page; returns the version it had. A token that expired under way starts it all again, after `restart`.
    @discardableResult
    func pages(
        _ path: String, pageSize: Int, restart: () async throws -> Void = {}, page: ([HelmValue]) async throws -> Void
    ) async throws -> String {
        var restarts = 0
        while true {
            do {
                return try await onePass(path, pageSize: pageSize, page: page)
            } catch KubernetesError.refused(_, _, let status) where status.isExpired && restarts < 3 {
                restarts += 1
                try await restart()
            }
        }
    }

    private func onePass(_ path: String, pageSize: Int, page: ([HelmValue]) async throws -> Void) async throws -> String {
        var token = ""
        while true {
            let call = call(
                .get,
                KubernetesCall.adding(
                    token.isEmpty ? ["limit": "\(pageSize)"] : ["limit": "\(pageSize)", "continue": token], to: path))
            let list = try json(of: try await send(call), call)
            guard list["kind"]?.string?.hasSuffix("List") == true, let items = list["items"] else {
                throw unreadable(call, "it is not a list")
            }
            // Go writes a list that was never filled as null.
            guard items.isList || items == .null else { throw unreadable(call, "its items are not a list") }
            try await page(items.list)
            let more = list["metadata", "continue"]?.string ?? ""
            guard !more.isEmpty else { return list["metadata", "resourceVersion"]?.string ?? "" }
            // A server that hands out the same page again would keep us for ever.
            guard more != token, !items.list.isEmpty else { throw unreadable(call, "its pages do not come to an end") }
            token = more
        }
    }

    // MARK: changing

    /// Server-side apply: creates the object or changes just the fields given. Without `force`, a field that another manager owns is a
    /// `Conflict` with its causes.
    @discardableResult
    package func apply(_ object: HelmValue, at path: String, force: Bool = true) async throws -> HelmValue {
        let target = KubernetesCall.adding(["fieldManager": "meshgate", "force": "\(force)"], to: path)
        var call = call(.patch, target)
        call.body = try JSON.encode(object)
        call.contentType = "application/apply-patch+yaml"
        return try json(of: try await send(call), call)
    }

    /// Makes a new object in a collection; not repeated when the answer is lost.
    @discardableResult
    package func create(_ object: HelmValue, in path: String) async throws -> HelmValue {
        var call = call(.post, path)
        call.body = try JSON.encode(object)
        call.contentType = Self.jsonType
        call.isRepeatable = false
        return try json(of: try await send(call), call)
    }

    /// Removes an object; false when there was none. With `uid` only that very object: another one of the same name is a `Conflict`.
    @discardableResult
    package func delete(_ path: String, uid: String? = nil) async throws -> Bool {
        var call = call(.delete, path)
        var options: [String: HelmValue] = [
            "apiVersion": .string("v1"), "kind": .string("DeleteOptions"), "propagationPolicy": .string("Background"),
        ]
        if let uid { options["preconditions"] = .map(["uid": .string(uid)]) }
        call.body = try JSON.encode(.map(options))
        call.contentType = Self.jsonType
        let response = try await send(call)
        if response.status == 404, KubernetesStatus(response).isAbsence { return false }
        _ = try json(of: response, call)
        return true
    }

    // MARK: sending

    private func call(_ method: HTTPRequest.Method, _ path: String) -> KubernetesCall {
        KubernetesCall(method: method, path: path, deadline: patience.deadline, isRepeatable: true)
    }

    /// The last answer, when there was any.
    private func send(_ call: KubernetesCall) async throws -> HTTPResponse {
        var tries = Tries(patience)
        var mayRenew = true
        while true {
            let request = try await request(call)
            do {
                let response = try await http.send(request)
                if response.status == 401, mayRenew, await authenticator.renew(for: access) {
                    mayRenew = false
                    continue
                }
                guard call.isRepeatable, KubernetesPatience.isPassing(response.status),
                    try await tries.wait(atLeast: KubernetesStatus(response).retryAfter)
                else { return response }
            } catch let error as HTTPClientError where call.isRepeatable && error.isPassing {
                guard try await tries.wait() else { throw error }
            }
        }
    }

    func request(_ call: KubernetesCall) async throws -> HTTPRequest {
        var headers = [HTTPHeader("Accept", Self.jsonType)]
        if let type = call.contentType { headers.append(HTTPHeader("Content-Type", type)) }
        let proof = try await authenticator.proof(for: access)
        if let token = proof.token { headers.append(HTTPHeader("Authorization", "Bearer \(token)")) }
        let (base, endpoint) = try address()
        return HTTPRequest(
            call.method, base + call.path, dialInstead: endpoint, headers: headers, body: call.body, deadline: call.deadline,
            responseLimit: Self.longestAnswer,
            tls: HTTPTLS(roots: access.authority.map { .pem($0) } ?? .system, identity: proof.certificate))
    }

    /// With another name in the certificate than in the address, the name makes the URL and the address is dialled.
    private func address() throws -> (base: String, dialInstead: HTTPEndpoint?) {
        let server = access.server.hasSuffix("/") ? String(access.server.dropLast()) : access.server
        guard let name = access.serverName else { return (server, nil) }
        guard let parts = ServerAddress(server) else {
            throw KubernetesError.credential(context: access.context, problem: "its server \(server.shown) is not https://HOST:PORT")
        }
        return ("https://\(name):\(parts.port)\(parts.path)", HTTPEndpoint(host: parts.host, port: parts.port))
    }

    func json(of response: HTTPResponse, _ call: KubernetesCall) throws -> HelmValue {
        guard response.isSuccess else {
            if (300..<400).contains(response.status) {
                throw unreadable(call, "it is a redirect (\(response.status)), and redirects are not followed")
            }
            throw KubernetesError.refused(call: call.name, server: access.server, KubernetesStatus(response))
        }
        let type = (response.header("Content-Type") ?? "none").lowercased()
        guard type.split(separator: ";").first.map(String.init) == Self.jsonType else {
            throw unreadable(call, "its content type is \(type.shown.prefix(80)) and not JSON")
        }
        guard let json = JSON.decode(response.body), json.isMap else { throw unreadable(call, "it is not a JSON object") }
        return json
    }

    func unreadable(_ call: KubernetesCall, _ problem: String) -> KubernetesError {
        .unreadable(call: call.name, server: access.server, problem: problem)
    }
}

/// `https://HOST[:PORT][/PATH]`, taken apart.
struct ServerAddress {
    var host: String
    var port: UInt16
    var path: String

    init?(_ url: String) {
        guard url.hasPrefix("https://") else { return nil }
        let rest = url.dropFirst("https://".count)
        let authority = rest.prefix { $0 != "/" }
        path = String(rest.dropFirst(authority.count))
        guard !authority.isEmpty, !authority.contains("@") else { return nil }
        if authority.hasPrefix("[") {
            guard let end = authority.firstIndex(of: "]") else { return nil }
            host = String(authority[authority.index(after: authority.startIndex)..<end])
            let tail = authority[authority.index(after: end)...]
            guard tail.isEmpty || tail.hasPrefix(":"), let port = tail.isEmpty ? 443 : UInt16(tail.dropFirst()) else { return nil }
            self.port = port
        } else {
            let parts = authority.split(separator: ":", maxSplits: 1)
            guard let name = parts.first, let port = parts.count == 2 ? UInt16(parts[1]) : 443 else { return nil }
            host = String(name)
            self.port = port
        }
    }
}
