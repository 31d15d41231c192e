// SPDX-License-Identifier: Apache-2.0

import MeshHTTP
import MeshModel
import MeshSystem

/// Reads from one Proxmox VE host over its API (`https://HOST:8006/api2/json`) with an API token. There is no call here that changes anything, and
/// a token with the role `PVEAuditor` (VM.Audit, Sys.Audit, Datastore.Audit, SDN.Audit) is enough.
struct ProxmoxClient: Sendable {
    private let http: any HTTPClient
    private let server: String
    private let token: Secret
    private let roots: HTTPTLS.Roots

    private let deadline: Duration
    /// A host has some hundred guests at most; their list is about 500 bytes each.
    private static let longestAnswer = 8 << 20
    private static let tokenForm = "USER@REALM!TOKENID=SECRET"

    /// - Parameter deadline: of each request.
    init(_ api: MeshSpec.Hypervisor.API, of host: NodeID, tools: Toolbox, deadline: Duration = .seconds(15)) throws {
        self.deadline = deadline
        let text = try tools.secret(api.token, key: "api.token of \(host)")
        let halves = text.split(separator: "=", maxSplits: 1).map(String.init)
        guard halves.count == 2, halves[0].contains("@"), halves[0].contains("!"), !halves[1].isEmpty,
            text.utf8.allSatisfy({ (0x21...0x7e).contains($0) })
        else { throw ProxmoxError.token(host: host.text, problem: "is not of the form \(Self.tokenForm)") }
        http = tools.http
        server = api.server
        token = Secret(text)
        guard let path = api.authority else {
            roots = .system
            return
        }
        guard let pem = try tools.files.read(tools.absolute(path), limit: 1 << 20) else {
            throw ProxmoxError.authority(host: host.text, path: tools.absolute(path))
        }
        roots = .pem(pem)
    }

    /// What a path's `data` is.
    func get(_ path: String) async throws -> HelmValue {
        let response = try await http.send(
            HTTPRequest(
                .get, server + "/api2/json" + path,
                headers: [HTTPHeader("Authorization", "PVEAPIToken=" + token.revealed()), HTTPHeader("Accept", "application/json")],
                deadline: deadline, responseLimit: Self.longestAnswer, tls: HTTPTLS(roots: roots, identity: nil)))
        let json = JSON.decode(response.body)
        switch response.status {
        case 200:
            guard let json, json.isMap, let data = json["data"] else { throw ProxmoxError.unreadable(server: server, path: path) }
            return data
        case 401: throw ProxmoxError.unauthorised(server: server)
        case 403: throw ProxmoxError.forbidden(path: path, words: words(response, json))
        default: throw ProxmoxError.answered(path: path, status: response.status, words: words(response, json))
        }
    }

    /// The same; `nil` where this Proxmox has no such thing (501), as without its SDN packages.
    func getIfKnown(_ path: String) async throws -> HelmValue? {
        do {
            return try await get(path)
        } catch ProxmoxError.answered(_, 501, _) {
            return nil
        }
    }

    private func words(_ response: HTTPResponse, _ json: HelmValue?) -> String {
        let errors = json?["errors"]?.stringMap.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }.joined(separator: "; ")
        let text = json?["message"]?.string ?? errors ?? ""
        return String(Redactor(secrets: [token.revealed()]).clean(text).shown.prefix(200))
    }
}

/// Why Proxmox could not be asked.
package enum ProxmoxError: Error, Hashable, Sendable, CustomStringConvertible {
    case token(host: String, problem: String)
    case authority(host: String, path: String)
    case unauthorised(server: String)
    case forbidden(path: String, words: String)
    case answered(path: String, status: Int, words: String)
    case unreadable(server: String, path: String)
    case noNode(String, server: String, known: [String])

    package var description: String {
        switch self {
        case .token(let host, let problem): "the API token of \(host) \(problem)"
        case .authority(let host, let path):
            "`authority` of \(host) names \(path), which is not there; Proxmox keeps its own in /etc/pve/pve-root-ca.pem"
        case .unauthorised(let server): "\(server) does not know the API token, or it has expired"
        case .forbidden(let path, let words):
            "Proxmox does not let the token read \(path)\(words.isEmpty ? "" : " (\(words))"); give it the role PVEAuditor on /"
        case .answered(let path, let status, let words): "\(path) of Proxmox was answered with \(status)\(words.isEmpty ? "" : " \(words)")"
        case .unreadable(let server, let path):
            "the answer to \(path) from \(server) is not Proxmox'; check the address, and what stands before it"
        case .noNode(let node, let server, let known):
            "\(server) has no node \"\(node)\"; it has \(known.joined(separator: ", ")). Say `node:` under `api` in mesh.yaml"
        }
    }
}
