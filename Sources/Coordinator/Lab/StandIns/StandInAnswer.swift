// SPDX-License-Identifier: Apache-2.0

internal import MeshModel

/// One request to a stand-in API server.
struct StandInQuestion: Sendable {
    var method: String
    var path: String
    var query: [String: String] = [:]
    var contentType = ""
    var body: [UInt8] = []
}

/// What it is answered.
struct StandInAnswer: Sendable {
    var status: Int
    var json: HelmValue

    static func refusal(_ refusal: StandInRefusal) -> StandInAnswer {
        var status: HelmValue = [
            "kind": "Status", "apiVersion": "v1", "metadata": [:], "status": "Failure", "message": .string(refusal.message),
            "reason": .string(refusal.reason), "code": .count(refusal.code),
        ]
        if let path = refusal.path {
            let group = path.group.split(separator: "/").dropFirst().dropLast().first
            status["details"] = ["kind": .string(path.resource)]
            status["details", "name"] = path.name.map { .string($0) }
            status["details", "group"] = group.map { .string(String($0)) }
        }
        return StandInAnswer(status: refusal.code, json: status)
    }
}

/// Why a request is refused, in the words of a Kubernetes API server.
struct StandInRefusal: Error {
    var code: Int
    var reason: String
    var message: String
    var path: StandInPath?

    static func notFound(_ path: StandInPath) -> Self {
        Self(code: 404, reason: "NotFound", message: "\(path.fullResource) \"\(path.name ?? "")\" not found", path: path)
    }
    static let noSuchResource = Self(code: 404, reason: "NotFound", message: "the server could not find the requested resource")
    static func exists(_ path: StandInPath) -> Self {
        Self(code: 409, reason: "AlreadyExists", message: "\(path.fullResource) \"\(path.name ?? "")\" already exists", path: path)
    }
    static func changed(_ path: StandInPath) -> Self {
        Self(
            code: 409, reason: "Conflict",
            message: "Operation cannot be fulfilled on \(path.fullResource) \"\(path.name ?? "")\": the object has been modified; "
                + "please apply your changes to the latest version and try again", path: path)
    }
    static func invalid(_ path: StandInPath, _ problem: String) -> Self {
        Self(
            code: 422, reason: "Invalid",
            message: "\(StandInKinds.kind(path.resource) ?? path.resource) \"\(path.name ?? "")\" is invalid: \(problem)", path: path)
    }
    static func bad(_ message: String) -> Self { Self(code: 400, reason: "BadRequest", message: message) }
    static func notAllowed(_ method: String) -> Self {
        Self(code: 405, reason: "MethodNotAllowed", message: "the server does not allow this method on the requested resource (\(method))")
    }
    static let mediaType = Self(
        code: 415, reason: "UnsupportedMediaType", message: "the body of the request was in an unknown format")
    static let down = Self(code: 503, reason: "ServiceUnavailable", message: "the stand-in API server plays dead")
}
