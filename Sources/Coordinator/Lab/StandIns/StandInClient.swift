// SPDX-License-Identifier: Apache-2.0

internal import FoundationEssentials
internal import MeshHTTP
internal import MeshModel

/// How the stand-in tools speak with a stand-in API server.
struct StandInClient: Sendable {
    let context: String
    /// The name of the cluster in the kubeconfig, which is what the real tools print.
    let cluster: String
    let server: String
    let http: CurlHTTPClient

    /// `nil` when there is no such object.
    func get(_ path: StandInPath) async throws -> HelmValue? {
        let (status, json) = try await send(.get, "/" + path.text)
        return status == 404 ? nil : try accept(status, json)
    }

    func list(_ collection: StandInPath, selector: String = "") async throws -> [HelmValue] {
        let query = selector.isEmpty ? "" : "?labelSelector=" + selector.replacing("=", with: "%3D").replacing(",", with: "%2C")
        let (status, json) = try await send(.get, "/" + collection.text + query)
        return status == 404 ? [] : try accept(status, json)["items"]?.elements ?? []
    }

    @discardableResult
    func create(_ object: HelmValue, in collection: StandInPath) async throws -> HelmValue {
        let (status, json) = try await send(.post, "/" + collection.text, object)
        return try accept(status, json)
    }

    /// True when the object was made rather than changed.
    @discardableResult
    func apply(_ object: HelmValue, at path: StandInPath, manager: String) async throws -> Bool {
        try await applied(object, at: path, manager: manager).isNew
    }

    /// The object as the server has it now.
    func applied(_ object: HelmValue, at path: StandInPath, manager: String) async throws -> (object: HelmValue, isNew: Bool) {
        let (status, json) = try await send(
            .patch, "/\(path.text)?fieldManager=\(manager)&force=true", object, type: "application/apply-patch+yaml")
        return (try accept(status, json), status == 201)
    }

    /// Puts an object in the place of the one that is there, if any.
    func put(_ object: HelmValue, at path: StandInPath) async throws {
        let (status, json) = try await send(.put, "/" + path.text, object)
        if status == 404, path.name != nil {
            try await create(object, in: path.collection)
        } else {
            _ = try accept(status, json)
        }
    }

    /// False when there was nothing to delete.
    @discardableResult
    func delete(_ path: StandInPath) async throws -> Bool {
        let (status, json) = try await send(.delete, "/" + path.text)
        if status == 404 { return false }
        _ = try accept(status, json)
        return true
    }

    /// How the tool is to misbehave with this cluster.
    func faults() async throws -> StandInFaults {
        let json: HelmValue
        do {
            json = try await send(.get, "/stand-in/faults").1
        } catch is StandInFailure {
            // A server that does not answer knows of no faults either; what the tool wants of it will fail by itself.
            return StandInFaults()
        }
        return try JSONDecoder().decode(StandInFaults.self, from: Data(StandInJSON.encode(json).utf8))
    }

    /// Looks every 50 ms until `look` is content or the time is over.
    func wait(_ patience: Duration, until look: () async throws -> Bool) async throws -> Bool {
        let clock = ContinuousClock()
        let end = clock.now.advanced(by: patience)
        while clock.now < end {
            if try await look() { return true }
            try await clock.sleep(for: .milliseconds(50))
        }
        return try await look()
    }

    private func send(
        _ method: HTTPRequest.Method, _ target: String, _ body: HelmValue? = nil, type: String = "application/json"
    ) async throws -> (Int, HelmValue) {
        let bytes = try body.map { Array(try StandInJSON.encode($0).utf8) } ?? []
        let response: HTTPResponse
        do {
            response = try await http.send(
                HTTPRequest(method, server + target, headers: [HTTPHeader("Content-Type", type)], body: bytes, responseLimit: 64 << 20))
        } catch let error as HTTPClientError {
            let verb = method.rawValue.prefix(1) + method.rawValue.dropFirst().lowercased()
            throw StandInFailure.error("\(verb) \"\(server)\(target)\": \(error)")
        }
        return (response.status, StandInJSON.decode(response.body) ?? .null)
    }

    /// A question to the stand-in itself, and not to the Kubernetes that it plays.
    func standIn(_ method: HTTPRequest.Method, _ path: String) async throws -> (Int, HelmValue) { try await send(method, path) }

    private func accept(_ status: Int, _ json: HelmValue) throws -> HelmValue {
        guard (200..<300).contains(status) else {
            throw StandInFailure.error(json["message"]?.text ?? "the server answered with \(status)")
        }
        return json
    }
}
