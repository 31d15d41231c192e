// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Gating
import Hummingbird
import HummingbirdCore
import Logging
import MeshModel
import NIOCore
import Planning
import ServiceLifecycle

/// Turns requests into questions to the backend, and answers into JSON. One per listener, as each has its own door.
struct OperatorResponder: Sendable {
    let door: OperatorDoor
    let backend: any OperatorBackend
    let sources: OperatorSources
    let limits: OperatorServerConfiguration.Limits
    let queries: QueryPlaces
    let log: Logger

    func router() -> Router<OperatorContext> {
        let router = Router(context: OperatorContext.self)
        router.add(middleware: ErrorMiddleware(log: log))
        for route in OperatorRoute.allCases {
            router.on(RouterPath(route.path), method: route.method == .get ? .get : .post) { request, context in
                try await respond(route, request, context)
            }
        }
        return router
    }

    /// Who asks and whether they may comes before anything of the request is read.
    private func respond(_ route: OperatorRoute, _ request: Request, _ context: OperatorContext) async throws -> Response {
        let caller: Caller
        switch door.caller(context.peer) {
        case .success(let known): caller = known
        case .failure(let refusal):
            throw SurfaceError(403, "notAllowed", "\(refusal)", remedy: "use an operator certificate of this mesh, or the Unix socket")
        }
        try checkHost(request)
        guard caller.role == .admin || route.method == .get else {
            throw SurfaceError(403, "viewerOnly", "\(caller.name) may look but not change anything", remedy: "ask an admin")
        }
        if route == .events { return try await events(request) }
        if route == .telemetry { return try await telemetry(request) }
        if route == .live { return try await live(request) }
        let limit = route == .apply || route == .preview ? limits.planBytes : limits.bodyBytes
        let body = route.method == .post ? try await Self.body(request, limit: limit) : []
        let asked = Asked(
            node: context.parameters.get("node"), query: { name in request.uri.queryParameters[name[...]].map(String.init) }, body: body,
            caller: caller)
        return try await answer(within: route == .preview ? limits.preview : limits.answer) { try await reply(route, asked) }
    }

    private struct Asked: Sendable {
        let node: String?
        let query: @Sendable (String) -> String?
        let body: [UInt8]
        let caller: Caller

        func decode<Value: Decodable>(_ type: Value.Type = Value.self) throws -> Value {
            do {
                return try JSONDecoder().decode(type, from: Data(body))
            } catch {
                throw SurfaceError.malformed(error)
            }
        }

        func nodeID() throws -> NodeID {
            guard let node = node.flatMap(NodeID.init) else {
                throw SurfaceError(400, "badNode", "\"\(node ?? "")\" is not \(NodeID.grammar)")
            }
            return node
        }

        func step() throws -> StepID {
            guard let text = query("step"), let step = StepID(text) else {
                throw SurfaceError(400, "badStep", "\"\(query("step") ?? "")\" is not \(StepID.grammar)", remedy: "ask with ?step=NAME")
            }
            return step
        }
    }

    private func reply(_ route: OperatorRoute, _ asked: Asked) async throws -> Response {
        switch route {
        case .dashboard:
            var response = Self.text(try await dashboard.page(asked.query), type: "text/html; charset=utf-8")
            response.headers[.contentSecurityPolicy] = Self.pagePolicy
            return response
        case .stylesheet: return Self.text(try dashboard.stylesheet, type: "text/css; charset=utf-8")
        case .script: return Self.text(try dashboard.script, type: "text/javascript; charset=utf-8")
        case .health:
            let (healthy, text) = await backend.health()
            return Self.text(text + "\n", type: "text/plain; charset=utf-8", status: healthy ? 200 : 503)
        case .metrics: return Self.text(await backend.metrics(), type: "text/plain; version=0.0.4; charset=utf-8")
        case .status: return try Self.json(await backend.status())
        case .plan:
            guard let plan = await sources.plan() else {
                throw SurfaceError(404, "noRun", "there is no run yet, and so no plan", remedy: "start one with `meshgate apply`")
            }
            return try Self.json(plan)
        case .apply:
            let request: ApplyRequest = try asked.decode()
            try check(request.plan)
            return try Self.json(await backend.apply(request, by: asked.caller), status: 202)
        case .stop: return try Self.json(await backend.stop(by: asked.caller))
        case .explain: return try Self.json(await backend.explain(try asked.step()))
        case .nodes: return try Self.json(await backend.nodes())
        case .invite: return try Self.json(await backend.invite(try asked.nodeID(), try asked.decode(), by: asked.caller))
        case .revoke: return try Self.json(await backend.revoke(try asked.nodeID(), try asked.decode(), by: asked.caller))
        case .arming: return try Self.json(await backend.arming(try asked.nodeID()))
        case .arm: return try Self.json(await backend.arm(try asked.nodeID(), try asked.decode(), by: asked.caller))
        case .check: return try Self.json(await backend.check(try asked.nodeID(), try asked.decode()))
        case .wipes: return try Self.json(await backend.wipes())
        case .losses: return try Self.json(await backend.losses())
        case .preview:
            let request: ApplyRequest = try asked.decode()
            try check(request.plan)
            return try Self.json(await backend.preview(request))
        case .warrants: return try Self.json(await backend.submit(try asked.decode(), by: asked.caller))
        case .overrides: return try Self.json(await backend.override(try asked.decode(), by: asked.caller))
        case .evidence: return try Self.json(await backend.evidence(about: asked.query("subject")))
        case .books: return try Self.json(await backend.books())
        case .events, .telemetry, .live: throw SurfaceError(500, "internal", "events are streamed")
        }
    }

    private var dashboard: Dashboard {
        get throws {
            guard let dashboard = sources.dashboard else { throw SurfaceError(404, "noDashboard", "there is no dashboard here") }
            return dashboard
        }
    }

    /// The digest that the plan carries is only a claim until it is computed here.
    private func check(_ plan: Plan) throws {
        let digest = try sources.digest(plan.body)
        guard digest == plan.digest else {
            throw SurfaceError(
                400, "digestMismatch", "the plan says it is \(plan.digest.short), but its body is \(digest.short)",
                remedy: "plan again with the same version of meshgate as the coordinator's")
        }
    }

    /// A browser that was led here by a foreign name must not get answers.
    private func checkHost(_ request: Request) throws {
        guard case .readOnly(let settings) = door else { return }
        let authority = request.head.authority ?? ""
        let host = authority.hasPrefix("[") ? String(authority.dropFirst().prefix { $0 != "]" }) : String(authority.prefix { $0 != ":" })
        guard host == "localhost" || IPAddress(host) != nil || settings.names.contains(host) else {
            throw SurfaceError(
                421, "wrongHost", "this listener does not answer for the host \"\(host)\"", remedy: "use localhost or its IP address")
        }
    }

    // MARK: events

    private func events(_ request: Request) async throws -> Response {
        let query = request.uri.queryParameters
        let follow = query["follow"].map { $0 == "true" || $0 == "1" } ?? false
        let serverSent = request.headers[.accept]?.contains("text/event-stream") ?? false
        // What a browser sends when it reconnects; newer than the URL it was given first.
        let text = request.headers.first { $0.name.canonicalName == "last-event-id" }?.value ?? query["since"].map(String.init)
        if let text, UInt64(text) == nil {
            throw SurfaceError(400, "badSince", "\"\(text)\" is not the number of an event", remedy: "ask with ?since=NUMBER")
        }
        let after = text.flatMap { UInt64($0) } ?? (follow ? nil : 0)
        let stream = try await sources.events(EventRequest(after: after, follow: follow, serverSent: serverSent))
        return Self.following(stream, as: serverSent ? "text/event-stream" : "application/x-ndjson")
    }

    /// What comes, as it comes, until the stream ends, the reader goes away or the server stops.
    static func following(_ stream: EventStream, as type: String) -> Response {
        var headers = HTTPFields()
        headers[.contentType] = type
        headers[.cacheControl] = "no-store"
        return Response(
            status: .ok, headers: headers,
            body: ResponseBody { writer in
                // A reader that leaves shows as a write that fails; its place must not be kept for it.
                defer { stream.cancel() }
                try await withTaskCancellationOrGracefulShutdownHandler {
                    while let text = try await stream.next() { try await writer.write(ByteBuffer(string: text)) }
                } onCancelOrGracefulShutdown: {
                    stream.cancel()
                }
                try await writer.finish(nil)
            })
    }

    // MARK: bodies

    /// The page takes style and script from us only, and none from within itself; it asks only us, and is shown in no other page.
    private static let pagePolicy =
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

    private static func body(_ request: Request, limit: Int) async throws -> [UInt8] {
        let announced = request.headers[.contentLength].flatMap { Int($0) } ?? 0
        do {
            guard announced <= limit else { throw SurfaceError(413, "tooLarge", "") }
            let buffer = try await request.body.collect(upTo: limit)
            return Array(buffer.readableBytesView)
        } catch {
            guard error is SurfaceError || error is NIOTooManyBytesError else { throw error }
            throw SurfaceError(413, "tooLarge", "the request is larger than \(limit) bytes", remedy: "send less")
        }
    }

    private static func json(_ value: some Encodable, status: Int = 200) throws -> Response {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return text(String(decoding: try encoder.encode(value), as: UTF8.self) + "\n", type: "application/json", status: status)
    }

    static func failure(_ error: SurfaceError) -> Response {
        do {
            var response = try json(error.reply, status: error.status)
            if error.status == 503 { response.headers[.retryAfter] = "1" }
            // What was not read of the request would stand before the next one.
            if error.status == 413 { response.headers[.connection] = "close" }
            return response
        } catch {
            return Response(status: .internalServerError)
        }
    }

    private static func text(_ text: String, type: String, status: Int = 200) -> Response {
        var headers = HTTPFields()
        headers[.contentType] = type
        headers[.cacheControl] = "no-store"
        headers[.xContentTypeOptions] = "nosniff"
        return Response(status: .init(code: status), headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
    }
}

/// Every error, also those of the router, leaves as an `ErrorReply`.
struct ErrorMiddleware: RouterMiddleware {
    let log: Logger

    func handle(
        _ request: Request, context: OperatorContext, next: (Request, OperatorContext) async throws -> Response
    ) async throws -> Response {
        do {
            return try await next(request, context)
        } catch let error as HTTPError {
            let known = "there is no \(request.method.rawValue) \(request.uri.path)"
            return OperatorResponder.failure(
                SurfaceError(
                    error.status.code, "noSuchRoute", error.status == .notFound ? known : "\(error)", remedy: "see docs/openapi.yaml"))
        } catch {
            let answer = SurfaceError(error)
            if answer.status >= 500 { log.error("request failed", metadata: ["path": "\(request.uri.path)", "error": "\(error)"]) }
            return OperatorResponder.failure(answer)
        }
    }
}
