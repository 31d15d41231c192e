// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import FoundationEssentials
import MeshConfig
import MeshModel
import MeshSystem
import MeshTrust
import ToolDrivers

/// `meshgate talosconfig`: contexts merged, shown and taken out.
struct TalosconfigCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "talosconfig", abstract: "Show, fetch, merge or remove talosconfig contexts.",
        discussion: """
            Without a source it shows the contexts and when their certificates end (exit code 1 when one has ended).
            Examples:
              meshgate talosconfig --output json
              meshgate talosconfig --from-terraform ./terraform
              meshgate talosconfig --from-file ./talosconfig
              meshgate talosconfig --remove talos-west
            """)

    @OptionGroup var source: CredentialSourceOptions
    @Option(help: "The talosconfig. [TALOSCONFIG; ~/.talos/config]", completion: .file()) var file: String?
    @OptionGroup var output: OutputOption

    func run() async throws {
        try await reporting {
            try source.check()
            let path = resolved(absolute(file ?? environment("TALOSCONFIG") ?? "~/.talos/config"))
            let desk = TalosconfigDesk(path: path, files: CredentialTools.files, now: SystemClock.now().wall)
            do {
                let texts = try await source.texts(kind: "talosconfig")
                if source.remove == nil, texts.isEmpty {
                    let rows = try desk.rows()
                    try CredentialRow.show(rows, path: path, output.output)
                    if rows.contains(where: { $0.expires.map { $0 <= desk.now } == true }) { throw Exit.no.code }
                    return
                }
                try desk.makeParent()
                let rows = try await CredentialTools.locked(path) {
                    if let name = source.remove { try await desk.remove(name) } else { try await desk.merge(texts) }
                }
                try CredentialRow.show(rows, path: path, output.output)
            } catch let error as any CustomStringConvertible & Error {
                throw Failure(.no, "\(error)")
            }
        }
    }
}

/// Changes one talosconfig.
struct TalosconfigDesk {
    let path: String
    let files: any FileStore
    let now: Timestamp

    func makeParent() throws {
        let parent = "/" + path.split(separator: "/").dropLast().joined(separator: "/")
        if try files.list(parent) == nil { try files.createDirectory(parent) }
    }

    func merge(_ sources: [(text: String, name: String)]) async throws -> [CredentialRow] {
        var document = try read()
        var names: [MergedContext] = []
        for source in sources {
            let incoming = try TalosconfigDocument(parsing: source.text, file: source.name)
            guard !incoming.contextNames.isEmpty else { throw Failure(.badInput, "\(source.name) has no contexts") }
            for name in incoming.contextNames {
                guard validity(incoming, name) != nil else {
                    throw Failure(.badInput, "\(source.name): \(name) has no readable certificate")
                }
            }
            names += document.merge(incoming)
        }
        try await write(document) { left in names.allSatisfy { left.contains($0.name) } }
        return try rows().map { row in
            var row = row
            for item in names where item.name == row.context && item.isRenamed {
                row.warnings.append("\(item.source) was there with another CA, so this one is called \(item.name)")
            }
            return row
        }
    }

    func remove(_ name: String) async throws -> [CredentialRow] {
        var document = try read()
        guard document.remove(context: name) else { throw Failure(.no, "\(path) has no context \"\(name)\"") }
        try await write(document) { !$0.contains(name) }
        return try rows()
    }

    func rows() throws -> [CredentialRow] {
        let document = try read()
        let mode = CredentialTools.mode(path)
        return document.contextNames.map { name in
            var row = CredentialRow(context: name)
            row.apiCA = document.authority(of: name).flatMap { Data(base64Encoded: $0) }.map { Digest.sha256($0).hex }
            row.expires = validity(document, name)?.notAfter
            if row.expires == nil { row.warnings.append("its certificate cannot be read") }
            row.judge(now)
            if let mode, mode & 0o077 != 0 {
                row.warnings.append("the file is open to others (mode \(String(mode, radix: 8))); it should be 600")
            }
            return row
        }
    }

    private func read() throws -> TalosconfigDocument {
        let bytes = try CredentialFile(path, files: files).read() ?? []
        return try TalosconfigDocument(parsing: String(decoding: bytes, as: UTF8.self), file: path)
    }

    private func write(_ document: TalosconfigDocument, isGood: ([String]) -> Bool) async throws {
        try await CredentialFile(path, files: files).replace(with: Array(try document.text().utf8)) { written in
            let left = try TalosconfigDocument(parsing: String(decoding: written, as: UTF8.self), file: path).contextNames
            guard isGood(left) else { throw Failure(.io, "\(path) is not what was written; the old content is back") }
        }
    }

    private func validity(_ document: TalosconfigDocument, _ name: String) -> CertificateValidity? {
        guard let text = document.certificate(of: name), let bytes = Data(base64Encoded: text) else { return nil }
        return try? CertificateValidity(pem: String(decoding: bytes, as: UTF8.self))
    }
}
