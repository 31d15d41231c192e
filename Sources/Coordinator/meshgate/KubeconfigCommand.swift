// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import FoundationEssentials
import Glibc
import MeshConfig
import MeshHTTP
import MeshModel
import MeshSystem
import MeshTrust
import ToolDrivers

/// `meshgate kubeconfig`: contexts fetched, checked, merged, shown and taken out.
struct KubeconfigCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "kubeconfig", abstract: "Show, fetch, merge or remove kubeconfig contexts.",
        discussion: """
            Without a source it shows the contexts and when their certificates end (exit code 1 when one has ended). A merge asks each new
            server first, pins it by its CA and the uid of kube-system, keeps every other entry, and replaces the file in one step, mode 0600.
            Examples:
              meshgate kubeconfig --output json
              meshgate kubeconfig --from-terraform ./terraform
              meshgate kubeconfig --from-talos talos-east --node 10.1.0.11
              ssh admin@host cat /etc/rancher/rke2/rke2.yaml | meshgate kubeconfig --from-file -
              meshgate kubeconfig --remove admin@talos-west
            """)

    @OptionGroup var source: CredentialSourceOptions
    @Option(help: "Have talosctl make one for this talosconfig context.") var fromTalos: String?
    @Option(help: "The control plane that is asked, with --from-talos.") var node: String?
    @Option(help: "The talosconfig that is used for it. [talosctl's own]", completion: .file()) var talosconfig: String?
    @Option(help: "The kubeconfig. [first of KUBECONFIG; ~/.kube/config]", completion: .file()) var file: String?
    @OptionGroup var output: OutputOption

    func run() async throws {
        try await reporting {
            try source.check([fromTalos])
            let path = resolved(
                absolute(file ?? environment("KUBECONFIG")?.split(separator: ":").first.map(String.init) ?? "~/.kube/config"))
            let desk = KubeconfigDesk(path: path, files: CredentialTools.files, now: SystemClock.now().wall)
            do {
                if let name = source.remove {
                    let rows = try await CredentialTools.locked(path) { try await desk.remove(name) }
                    return try CredentialRow.show(rows, path: path, output.output)
                }
                let texts = try await texts(desk)
                guard !texts.isEmpty else {
                    let rows = try desk.rows(try desk.content(), file: path)
                    try CredentialRow.show(rows, path: path, output.output)
                    if rows.contains(where: { $0.expires.map { $0 <= desk.now } == true }) { throw Exit.no.code }
                    return
                }
                try desk.makeParent()
                let rows = try await CredentialTools.locked(path) {
                    try await desk.merge(texts, asking: source.offline ? nil : { try await Self.identity($0) })
                }
                try CredentialRow.show(rows, path: path, output.output)
            } catch let error as any CustomStringConvertible & Error {
                throw Failure(.no, "\(error)")
            }
        }
    }

    private func texts(_ desk: KubeconfigDesk) async throws -> [(text: String, name: String)] {
        guard let fromTalos else { return try await source.texts(kind: "kubeconfig") }
        let scratch = FileManager.default.temporaryDirectory.path + "/meshgate-kubeconfig-" + (try KernelEntropy().hexID(byteCount: 8))
        try CredentialTools.files.createDirectory(scratch)
        defer { rmdir(scratch) }
        let text = try await CredentialTools.source.talos(
            context: fromTalos, node: node, talosconfig: talosconfig.map(absolute), scratch: scratch)
        return [(text, "Talos context \(fromTalos)")]
    }

    /// Asks the server itself who it is.
    private static func identity(_ access: ClusterAccess) async throws -> String? {
        let client = CredentialTools.client(for: access, http: try CurlHTTPClient())
        guard try await client.get("/version") != nil else { throw Failure(.no, "\(access) has no /version") }
        guard case .map(let space)? = try await client.get("/api/v1/namespaces/kube-system"), case .map(let metadata)? = space["metadata"],
            case .string(let uid)? = metadata["uid"]
        else { throw Failure(.no, "\(access) has no namespace kube-system") }
        return uid
    }
}

/// Changes one kubeconfig.
struct KubeconfigDesk {
    /// The uid of kube-system behind an access.
    typealias Identify = (ClusterAccess) async throws -> String?

    let path: String
    let files: any FileStore
    let now: Timestamp

    func makeParent() throws {
        let parent = "/" + path.split(separator: "/").dropLast().joined(separator: "/")
        if try files.list(parent) == nil { try files.createDirectory(parent) }
    }

    func content() throws -> String { String(decoding: try CredentialFile(path, files: files).read() ?? [], as: UTF8.self) }

    /// - Parameter identify: `nil` asks nobody.
    func merge(_ sources: [(text: String, name: String)], asking identify: Identify?) async throws -> [CredentialRow] {
        var document = try KubeconfigDocument(parsing: content(), file: path)
        var merged: [MergedContext] = []
        for source in sources {
            let incoming = try KubeconfigDocument(parsing: try embedded(source), file: source.name)
            guard !incoming.contextNames.isEmpty else { throw Failure(.badInput, "\(source.name) has no contexts") }
            merged += document.merge(incoming)
        }
        var accesses: [String: ClusterAccess] = [:]
        let read = try KubeconfigFile.contexts(parsing: try document.text(), file: path, files: files)
        for item in merged {
            let access = try (read[item.name] ?? .failure(.unusable(context: item.name, problem: "it leads to no cluster"))).get()
            let uid = try await identify?(access)
            try pin(item, access, uid, &document)
            accesses[item.name] = access
        }
        let text = try document.text()
        try await CredentialFile(path, files: files).replace(with: Array(text.utf8)) { written in
            // What is in the file now, and not what we meant to write, leads to the clusters that answered.
            let found = try KubeconfigFile.contexts(parsing: String(decoding: written, as: UTF8.self), file: path, files: files)
            for item in merged {
                guard let access = try found[item.name]?.get(), access.server == accesses[item.name]?.server else {
                    throw Failure(.io, "\(path) does not hold \(item.name) after it was written; the old content is back")
                }
                if let identify { _ = try await identify(access) }
            }
        }
        return try rows(text, file: path).map { row in
            var row = row
            for item in merged where item.name == row.context && item.isRenamed {
                row.warnings.append("\(item.source) was there for another cluster, so this one is called \(item.name)")
            }
            return row
        }
    }

    func remove(_ name: String) async throws -> [CredentialRow] {
        var document = try KubeconfigDocument(parsing: content(), file: path)
        guard document.remove(context: name) else { throw Failure(.no, "\(path) has no context \"\(name)\"") }
        let text = try document.text()
        try await CredentialFile(path, files: files).replace(with: Array(text.utf8)) { written in
            let left = try KubeconfigDocument(parsing: String(decoding: written, as: UTF8.self), file: path).contextNames
            guard !left.contains(name) else { throw Failure(.io, "\(path) still has \(name)") }
        }
        return try rows(text, file: path)
    }

    /// A context that was pinned to one cluster never comes to mean another.
    private func pin(_ item: MergedContext, _ access: ClusterAccess, _ uid: String?, _ document: inout KubeconfigDocument) throws {
        guard let authority = access.authority else { return }
        let digest = Digest.sha256(authority).hex
        let old = document.pin(of: item.name)
        if item.replaced, let known = old?.systemUID, let uid, known != uid {
            throw Failure(
                .no,
                "context \(item.name) was pinned to the cluster with kube-system uid \(known), and \(access.server) says \(uid); "
                    + "when the cluster was really built anew, `meshgate kubeconfig --remove \(item.name)` first")
        }
        document.setPin(.init(apiCA: digest, systemUID: uid ?? old?.systemUID), of: item.name)
    }

    /// Relative paths mean files beside the source, which the target does not have beside it.
    private func embedded(_ source: (text: String, name: String)) throws -> String {
        for context in try Kubeconfig(parsing: source.text, file: source.name).contexts {
            let places = [context.authority, context.clientCertificate, context.clientKey].compactMap { place -> String? in
                if case .file(let path)? = place { path } else { nil }
            }
            let all =
                places + [context.tokenFile].compactMap { $0 } + [context.plugin?.command].compactMap { $0 }.filter { $0.contains("/") }
            if let relative = all.first(where: { !$0.isEmpty && !$0.hasPrefix("/") }) {
                throw Failure(
                    .badInput,
                    "\(source.name) refers to \(relative) beside it; make it whole with `kubectl config view --flatten --raw` first")
            }
        }
        return source.text
    }

    func rows(_ text: String, file: String) throws -> [CredentialRow] {
        let document = try KubeconfigDocument(parsing: text, file: file)
        let contexts = try KubeconfigFile.contexts(parsing: text, file: file, files: files)
        let mode = CredentialTools.mode(path)
        return document.contextNames.map { name in
            var row = CredentialRow(context: name)
            row.systemUID = document.pin(of: name)?.systemUID
            switch contexts[name] {
            case .success(let access)?:
                row.server = access.server
                row.apiCA = access.authority.map { Digest.sha256($0).hex }
                if let identity = access.credential.certificate {
                    row.expires = try? CertificateValidity(pem: String(decoding: identity.certificate, as: UTF8.self)).notAfter
                    if row.expires == nil { row.warnings.append("its client certificate cannot be read") }
                }
                if let pin = document.pin(of: name), let digest = row.apiCA, pin.apiCA != digest {
                    row.warnings.append("its CA is not the one that it was pinned to")
                }
                if access.authority == nil { row.warnings.append("it has no certificate-authority of its own: any public CA is trusted") }
            case .failure(let error)?: row.warnings.append("\(error)")
            case nil: row.warnings.append("it leads to no cluster")
            }
            row.judge(now)
            if let mode, mode & 0o077 != 0 {
                row.warnings.append("the file is open to others (mode \(String(mode, radix: 8))); it should be 600")
            }
            return row
        }
    }
}
