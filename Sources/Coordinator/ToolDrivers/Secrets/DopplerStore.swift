// SPDX-License-Identifier: Apache-2.0

package import MeshHTTP
import MeshModel

/// Secrets in one config of a Doppler project, over its REST API.
package struct DopplerStore: SecretStore {
    /// What the first letters of a token say about it.
    package enum TokenKind: String, CaseIterable, Sendable {
        case service = "dp.st."
        case serviceAccount = "dp.sa."
        case personal = "dp.pt."
        case cli = "dp.ct."
        case scim = "dp.scim."
        case audit = "dp.audit."
        case other = ""

        package init(_ token: String) {
            self = Self.allCases.first { $0 != .other && token.hasPrefix($0.rawValue) } ?? .other
        }

        package var words: String {
            switch self {
            case .service: "service token (dp.st.)"
            case .serviceAccount: "service account token (dp.sa.)"
            case .personal: "personal token (dp.pt.)"
            case .cli: "CLI token (dp.ct.)"
            case .scim: "SCIM token (dp.scim.)"
            case .audit: "audit token (dp.audit.)"
            case .other: "token of unknown kind"
            }
        }

        /// Whether such a token may ever see a secret. What it may do with one is the server's to say.
        var reachesSecrets: Bool {
            switch self {
            case .service, .serviceAccount, .personal, .cli, .other: true
            case .scim, .audit: false
            }
        }
    }

    private let http: any HTTPClient
    private let token: Secret
    private let kind: TokenKind
    private let project: String
    private let config: String
    private let server: String
    private let wait: @Sendable (Duration) async throws -> Void

    static let mostTries = 5
    /// However long the server asks us to wait, a step has a deadline.
    static let longestWait = Duration.seconds(60)

    /// - Parameter wait: how time passes between two tries.
    package init(
        http: any HTTPClient, token: Secret, project: String, config: String, server: String = "https://api.doppler.com",
        wait: @escaping @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) }
    ) throws(SecretError) {
        kind = TokenKind(token.revealed())
        guard kind.reachesSecrets else { throw .uselessToken(kind: kind.words) }
        self.http = http
        self.token = token
        self.project = project
        self.config = config
        self.server = server
        self.wait = wait
    }

    package func names() async throws -> Set<String> {
        let answer = try await send(.get, "/v3/configs/config/secrets/names", query: place)
        guard case .list(let names)? = answer["names"] else { throw SecretError.unreadable("the list of names") }
        return Set(names.compactMap(\.string))
    }

    package func read(_ names: Set<String>) async throws -> [String: Secret] {
        try checkSecretNames(names)
        let answer = try await send(.get, "/v3/configs/config/secrets", query: place)
        guard case .map(let all)? = answer["secrets"] else { throw SecretError.unreadable("the secrets") }
        var found: [String: Secret] = [:]
        var hidden: Set<String> = []
        for (name, entry) in all where names.contains(name) {
            if let value = entry["raw"]?.string {
                // Doppler resolves `${NAME}` inside values: whoever reads the secret gets that, so that is what counts.
                found[name] = Secret(entry["computed"]?.string ?? value)
            } else {
                hidden.insert(name)
            }
        }
        // Not "absent": it is there and this token is not shown it (G-SEC-04).
        guard hidden.isEmpty else { throw SecretError.restricted(hidden, kind: kind.words) }
        return found
    }

    package func write(_ secrets: [String: Secret]) async throws {
        try checkSecretNames(secrets.keys)
        guard !secrets.isEmpty else { return }
        try await change(secrets.mapValues { .string($0.revealed()) })
    }

    package func delete(_ names: Set<String>) async throws {
        try checkSecretNames(names)
        guard !names.isEmpty else { return }
        try await change(Dictionary(uniqueKeysWithValues: names.map { ($0, HelmValue.null) }))
    }

    /// A value of nothing deletes.
    private func change(_ secrets: [String: HelmValue]) async throws {
        let body: HelmValue = .map(["project": .string(project), "config": .string(config), "secrets": .map(secrets)])
        _ = try await send(.post, "/v3/configs/config/secrets", body: try JSON.encode(body))
    }

    // MARK: HTTP

    private var place: String { "project=\(Self.escaped(project))&config=\(Self.escaped(config))" }

    static func escaped(_ text: String) -> String {
        var result = ""
        for byte in text.utf8 {
            let isPlain =
                (0x30...0x39).contains(byte) || (0x41...0x5a).contains(byte) || (0x61...0x7a).contains(byte)
                || [0x2d, 0x2e, 0x5f, 0x7e].contains(byte)
            result += isPlain ? String(Unicode.Scalar(byte)) : "%" + String(Int(byte) + 256, radix: 16, uppercase: true).dropFirst()
        }
        return result
    }

    private func send(_ method: HTTPRequest.Method, _ path: String, query: String = "", body: [UInt8] = []) async throws -> HelmValue {
        var headers = [HTTPHeader("Authorization", "Bearer " + token.revealed()), HTTPHeader("Accept", "application/json")]
        if !body.isEmpty { headers.append(HTTPHeader("Content-Type", "application/json")) }
        let request = HTTPRequest(method, server + path + (query.isEmpty ? "" : "?" + query), headers: headers, body: body)
        for attempt in 1...Self.mostTries {
            let response = try await http.send(request)
            let answer = JSON.decode(response.body)
            // As Doppler's own client does it: too many requests, and a failure of something in front of the API.
            guard response.status == 429 || response.status >= 500 && answer == nil else { return try judge(response, answer) }
            if attempt < Self.mostTries { try await wait(Self.pause(response, attempt)) }
        }
        throw SecretError.limited(tries: Self.mostTries)
    }

    /// What the server asks for, else half a second, doubled each time.
    static func pause(_ response: HTTPResponse, _ attempt: Int) -> Duration {
        let asked = response.header("Retry-After").flatMap { Int($0) }.map { Duration.seconds(min(max($0, 0), 3600)) }
        return min(asked ?? .milliseconds(500 << min(attempt - 1, 6)), longestWait)
    }

    private func judge(_ response: HTTPResponse, _ answer: HelmValue?) throws(SecretError) -> HelmValue {
        if response.isSuccess {
            guard let answer, answer["success"]?.bool != false else { throw .unreadable("an answer") }
            return answer
        }
        let told = (answer?["messages"]?.list ?? []).compactMap(\.string).joined(separator: "; ")
        let messages = String(Redactor(secrets: [token.revealed()]).clean(told.isEmpty ? "no reason" : told).prefix(300))
        switch response.status {
        case 401: throw .unauthorised(kind: kind.words)
        case 403: throw .forbidden(kind: kind.words, messages: messages)
        default: throw .answered(status: response.status, messages: messages)
        }
    }
}
