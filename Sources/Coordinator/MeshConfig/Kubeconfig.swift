// SPDX-License-Identifier: Apache-2.0

import Yams

/// The parts of a kubeconfig that lead to an API server. Exec plugins and passwords are not supported, and said so.
package struct Kubeconfig: Sendable {
    /// A PEM block, given in the file (base64) or beside it.
    package enum Source: Hashable, Sendable {
        case data(String)
        case file(String)
    }

    package struct Context: Hashable, Sendable {
        package var name: String
        package var server: String
        package var authority: Source?
        package var clientCertificate: Source?
        package var clientKey: Source?
        package var token: String?
    }

    package struct Fault: Error, Hashable, Sendable, CustomStringConvertible {
        package let file: String
        package let problem: String
        package var description: String { "\(file) is not a usable kubeconfig: \(problem)" }
    }

    package let contexts: [Context]

    /// JSON is YAML, so both forms are read.
    package init(parsing text: String, file: String) throws(Fault) {
        let document: Document
        do {
            document = try YAMLDecoder().decode(Document.self, from: text)
        } catch {
            throw Fault(file: file, problem: "\(error)")
        }
        var contexts: [Context] = []
        for item in document.contexts ?? [] {
            guard let cluster = document.clusters?.first(where: { $0.name == item.context.cluster })?.cluster else {
                throw Fault(file: file, problem: "context \"\(item.name)\" names cluster \"\(item.context.cluster)\", which is not there")
            }
            guard let user = document.users?.first(where: { $0.name == item.context.user })?.user else {
                throw Fault(file: file, problem: "context \"\(item.name)\" names user \"\(item.context.user)\", which is not there")
            }
            if cluster.insecure == true {
                throw Fault(
                    file: file,
                    problem: "cluster \"\(item.context.cluster)\" switches certificate checks off; give it certificate-authority-data")
            }
            contexts.append(
                Context(
                    name: item.name, server: cluster.server, authority: Self.source(cluster.authorityData, cluster.authorityFile),
                    clientCertificate: Self.source(user.certificateData, user.certificateFile),
                    clientKey: Self.source(user.keyData, user.keyFile), token: user.token))
        }
        self.contexts = contexts
    }

    private static func source(_ data: String?, _ file: String?) -> Source? { data.map(Source.data) ?? file.map(Source.file) }

    private struct Document: Decodable {
        struct NamedCluster: Decodable {
            var name: String
            var cluster: Cluster
        }
        struct Cluster: Decodable {
            var server: String
            var authorityData: String?
            var authorityFile: String?
            var insecure: Bool?
            enum CodingKeys: String, CodingKey {
                case server
                case authorityData = "certificate-authority-data"
                case authorityFile = "certificate-authority"
                case insecure = "insecure-skip-tls-verify"
            }
        }
        struct NamedUser: Decodable {
            var name: String
            var user: User
        }
        struct User: Decodable {
            var certificateData: String?
            var certificateFile: String?
            var keyData: String?
            var keyFile: String?
            var token: String?
            enum CodingKeys: String, CodingKey {
                case certificateData = "client-certificate-data"
                case certificateFile = "client-certificate"
                case keyData = "client-key-data"
                case keyFile = "client-key"
                case token
            }
        }
        struct NamedContext: Decodable {
            var name: String
            var context: Reference
        }
        struct Reference: Decodable {
            var cluster: String
            var user: String
        }
        var clusters: [NamedCluster]?
        var users: [NamedUser]?
        var contexts: [NamedContext]?
    }
}
