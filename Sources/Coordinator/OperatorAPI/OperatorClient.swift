// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
package import MeshHTTP
package import MeshModel
package import Planning

/// The admin surface from the other side, for the command line: the same routes and messages as the server's.
package struct OperatorClient: Sendable {
    let http: any HTTPClient
    private let base: String
    private let unixSocket: String?
    private let tls: HTTPTLS

    /// The coordinator on this machine.
    package init(http: any HTTPClient, socket path: String) {
        self.http = http
        base = "http://localhost"
        unixSocket = path
        tls = HTTPTLS()
    }

    /// A remote coordinator: `server` is `https://HOST:PORT`, `tls` holds its authority and our certificate.
    package init(http: any HTTPClient, server: String, tls: HTTPTLS) {
        self.http = http
        base = server.hasSuffix("/") ? String(server.dropLast()) : server
        unixSocket = nil
        self.tls = tls
    }

    package func status() async throws -> StatusReply { try await get(.status) }
    package func plan() async throws -> Plan { try await get(.plan) }
    package func nodes() async throws -> NodesReply { try await get(.nodes) }
    package func wipes() async throws -> WipesReply { try await get(.wipes) }
    package func losses() async throws -> LossesReply { try await get(.losses) }
    package func preview(_ request: ApplyRequest) async throws -> LossesReply { try await post(.preview, request, deadline: .seconds(630)) }
    package func explain(_ step: StepID) async throws -> ExplainReply { try await get(.explain, query: ["step": step.text]) }
    package func evidence(about subject: String? = nil) async throws -> EvidenceReply {
        try await get(.evidence, query: subject.map { ["subject": $0] } ?? [:])
    }
    package func apply(_ request: ApplyRequest) async throws -> ApplyReply { try await post(.apply, request) }
    package func stop() async throws -> DoneReply { try decode(.stop, try await send(request(.stop))) }
    package func invite(_ node: NodeID, _ request: InviteRequest) async throws -> InviteReply {
        try await post(.invite, request, node: node)
    }
    package func revoke(_ node: NodeID, _ request: RevokeRequest) async throws -> RevokeReply {
        try await post(.revoke, request, node: node)
    }
    package func arming(_ node: NodeID) async throws -> ArmingReply { try await get(.arming, node: node) }
    package func arm(_ node: NodeID, _ request: ArmRequest) async throws -> ArmingReply { try await post(.arm, request, node: node) }
    package func check(_ node: NodeID, _ request: CheckRequest) async throws -> CheckReply { try await post(.check, request, node: node) }
    package func submit(_ request: WarrantRequest) async throws -> DoneReply { try await post(.warrants, request) }
    package func override(_ request: OverrideRequest) async throws -> DoneReply { try await post(.overrides, request) }
    package func metrics() async throws -> String { try await send(request(.metrics)).text }
    package func health() async throws -> String { try await send(request(.health)).text }

    /// Hands over each line of the feed (one JSON object, without its newline) until it ends or the connection breaks.
    ///
    /// - Parameters:
    ///   - sequence: the last event that is known already; `nil` is from now on.
    ///   - follow: whether to wait for what has not happened yet.
    package func events(
        after sequence: UInt64?, follow: Bool, onLine: @escaping @Sendable (String) async throws -> Void
    ) async throws {
        var query = ["follow": String(follow)]
        if let sequence { query["since"] = String(sequence) }
        try await lines(.events, query: query) { line in
            try await onLine(line)
            if let gap = Self.gap(line) { throw gap }
        }
    }

    /// Hands over each line of an answer that comes in lines, for as long as it goes on.
    func lines(
        _ route: OperatorRoute, query: [String: String], onLine: @escaping @Sendable (String) async throws -> Void
    ) async throws {
        var request = request(route, query: query)
        request.deadline = nil
        // The server lets itself be heard every few seconds.
        request.idleLimit = .seconds(60)
        let lines = LineBuffer()
        do {
            let head = try await http.stream(request) { head, bytes in
                guard head.isSuccess else { return lines.keep(bytes) }
                for line in lines.split(bytes) { try await onLine(line) }
            }
            guard head.isSuccess else { throw refusal(HTTPResponse(head: head, body: lines.rest), route) }
        } catch let error as HTTPClientError {
            throw OperatorClientError.failed(error)
        }
    }

    /// As `events` with `follow`, but goes on after the last event it has when the connection breaks or was cut.
    ///
    /// - Parameter pause: waits before another try, whose number since the last event it is given; it throws to give up.
    package func follow(
        after sequence: UInt64, onLine: @escaping @Sendable (String) async throws -> Void,
        pause: @Sendable (_ attempt: Int) async throws -> Void
    ) async throws {
        let place = FollowPlace(sequence)
        while true {
            do {
                try await events(after: place.sequence, follow: true) { line in
                    if let event = Self.mark(line), let sequence = event.seq { place.reached(sequence) }
                    try await onLine(line)
                }
            } catch let error as OperatorClientError {
                if case .cut = error { continue }
                guard error.isUnreachable else { throw error }
            }
            try await pause(place.nextAttempt())
        }
    }

    // MARK: private

    private struct Mark: Decodable {
        var seq: UInt64?
        var kind: String
        var from: UInt64?
        var text: String?
    }

    private static func mark(_ line: String) -> Mark? { try? JSONDecoder().decode(Mark.self, from: Data(line.utf8)) }

    private static func gap(_ line: String) -> OperatorClientError? {
        // Only a line without a sequence can be a gap, so that most lines are not read twice.
        guard !line.hasPrefix("{\"seq\""), let mark = mark(line), mark.kind == "gap", let from = mark.from else { return nil }
        return .cut(after: from - 1, words: mark.text ?? "this reader was too slow")
    }

    func get<Reply: Decodable>(
        _ route: OperatorRoute, node: NodeID? = nil, query: [String: String] = [:]
    ) async throws -> Reply {
        try decode(route, try await send(request(route, node: node, query: query)))
    }

    private func post<Reply: Decodable>(
        _ route: OperatorRoute, _ body: some Encodable, node: NodeID? = nil, deadline: Duration? = nil
    ) async throws -> Reply {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        var request = request(route, node: node, body: Array(try encoder.encode(body)))
        if let deadline { request.deadline = deadline }
        return try decode(route, try await send(request))
    }

    func request(
        _ route: OperatorRoute, node: NodeID? = nil, query: [String: String] = [:], body: [UInt8] = []
    ) -> MeshHTTP.HTTPRequest {
        var path = route.path
        if let node { path = path.split(separator: "/").map { $0 == "{node}" ? "/\(node)" : "/\($0)" }.joined() }
        let pairs = query.sorted { $0.key < $1.key }.map { "\($0.key)=\(Self.escaped($0.value))" }
        let url = base + path + (pairs.isEmpty ? "" : "?" + pairs.joined(separator: "&"))
        let headers = body.isEmpty ? [] : [HTTPHeader("Content-Type", "application/json")]
        return HTTPRequest(
            route.method == .get ? .get : .post, url, unixSocket: unixSocket, headers: headers, body: body, deadline: .seconds(90),
            responseLimit: 256 << 20, tls: tls)
    }

    private func send(_ request: MeshHTTP.HTTPRequest) async throws -> HTTPResponse {
        do {
            return try await http.send(request)
        } catch let error as HTTPClientError {
            throw OperatorClientError.failed(error)
        }
    }

    private func decode<Reply: Decodable>(_ route: OperatorRoute, _ response: HTTPResponse) throws -> Reply {
        guard response.isSuccess else { throw refusal(response, route) }
        do {
            return try JSONDecoder().decode(Reply.self, from: Data(PlainReply.plain(response.body)))
        } catch {
            throw OperatorClientError.notUnderstood(path: route.path, said: "\(error)")
        }
    }

    func refusal(_ response: HTTPResponse, _ route: OperatorRoute) -> OperatorClientError {
        do {
            return .refused(status: response.status, try JSONDecoder().decode(ErrorReply.self, from: Data(PlainReply.plain(response.body))))
        } catch {
            return .notUnderstood(path: route.path, said: "status \(response.status)")
        }
    }

    private static func escaped(_ text: String) -> String {
        text.utf8.map { byte in
            let isPlain = byte < 0x80 && (Character(Unicode.Scalar(byte)).isLetter || Character(Unicode.Scalar(byte)).isNumber)
            return isPlain || "-._~/".utf8.contains(byte) ? String(Unicode.Scalar(byte)) : "%" + encodeHex([byte]).uppercased()
        }.joined()
    }
}
