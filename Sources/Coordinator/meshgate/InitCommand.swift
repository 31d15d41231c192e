// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import FoundationEssentials
import Glibc
import Import
import Linting
import MeshConfig
import MeshModel
import MeshSystem

/// `meshgate init`: a first mesh.yaml from what other tools know.
struct InitCommand: AsyncParsableCommand {
    enum Origin: String, ExpressibleByArgument, CaseIterable { case terraform, talhelper, talm, omni }

    static let configuration = CommandConfiguration(
        commandName: "init", abstract: "Propose a mesh.yaml from what Terraform, talosctl and others know.",
        discussion: """
            What nobody knows is marked with `# UNKNOWN`, what follows from something else with `# GUESSED`. Keys, tokens and certificates are
            never copied. No disk is proposed for anything that would wipe it.

            Examples:
              terraform show -json | meshgate init --from terraform --kubeconfig ~/.kube/config
              meshgate init --from terraform --state state.json --talosconfig talosconfig --out mesh.yaml
              meshgate init --from talhelper east/talconfig.yaml west/talconfig.yaml
              meshgate init --from talm nodes/*.yaml --talosconfig talosconfig
              meshgate init --from omni cluster-template.yaml

            Exit codes: 0 written, 64 wrong usage, 65 an input cannot be used, 74 the file exists already.
            """)
    @Option(help: "terraform, talhelper, talm or omni.") var from: Origin
    @Option(help: "Terraform's `show -json` of a state or a plan; `-` is standard input.", completion: .file()) var state: String = "-"
    @Option(help: "A kubeconfig with the clusters' contexts.", completion: .file()) var kubeconfig: String?
    @Option(help: "A talosconfig.", completion: .file()) var talosconfig: String?
    @Option(help: "The mesh's name.") var name: String = "mesh"
    @Option(help: "Where to write; standard output when absent. An existing file is never replaced.", completion: .file()) var out: String?
    @Argument(help: "Files of talhelper, talm or Omni.", completion: .file()) var files: [String] = []

    func run() async throws {
        try await reporting {
            guard NodeID(name) != nil else { throw Failure(.usage, "--name \"\(name)\" is not a name (a-z, 0-9 and '-')") }
            let proposal: Proposal
            do {
                proposal = try Proposer.propose(name, from: try sources())
            } catch let error as ImportError {
                throw Failure(.badInput, "\(error)")
            }
            let plain = renderSpec(proposal.spec)
            let text = proposal.annotated(plain, line: try place(plain))
            // What is handed out reads, whatever the input was.
            let file = try readMesh(text: text, file: out ?? "mesh.yaml")
            try write(text)
            report(proposal, lint(file.spec), file)
        }
    }

    private func place(_ text: String) throws -> (String) -> Int {
        let sources = try readMesh(text: text, file: "proposal").sources
        return { sources.place(of: $0).line }
    }

    // MARK: what is read

    private func sources() throws -> ImportSources {
        var sources = ImportSources()
        switch from {
        case .terraform:
            guard files.isEmpty else { throw Failure(.usage, "--from terraform reads --state FILE, not \(files[0])") }
            sources.terraform = try json(state)
        case .talhelper: sources.talhelper = try named().flatMap { try yaml($0) }
        case .omni: sources.omni = try named().flatMap { try yaml($0) }
        case .talm:
            sources.talm = try named().map { path in
                let text = try text(path)
                let name = String(path.split(separator: "/").last ?? "node")
                return (name, text, try? readSharedYAML(text, file: path).first)
            }
        }
        sources.kubeconfig = try kubeconfig.flatMap { try yaml($0).first }
        sources.talosconfig = try talosconfig.flatMap { try yaml($0).first }
        return sources
    }

    private func named() throws -> [String] {
        guard !files.isEmpty else { throw Failure(.usage, "--from \(from.rawValue) wants files") }
        return files
    }

    private func text(_ path: String) throws -> String { String(decoding: try bytes(path), as: UTF8.self) }

    private func bytes(_ path: String) throws -> [UInt8] {
        if path == "-" { return try Self.standardInput(limit: 64 << 20) }
        guard let bytes = try readInput(path, limit: 64 << 20) else { throw Failure(.badInput, "there is no file \(path)") }
        return bytes
    }

    private static func standardInput(limit: Int) throws -> [UInt8] {
        var all: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = read(STDIN_FILENO, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw Failure(.badInput, "standard input cannot be read (errno \(errno))") }
            if count == 0 { return all }
            all += buffer[..<count]
            guard all.count <= limit else { throw Failure(.badInput, "standard input has more than \(limit >> 20) MiB") }
        }
    }

    private func yaml(_ path: String) throws -> [HelmValue] {
        do {
            return try readSharedYAML(try text(path), file: path)
        } catch let faults as MeshFaults {
            throw Failure(.badInput, "\(path) cannot be used:\n\(faults)")
        }
    }

    private func json(_ path: String) throws -> HelmValue {
        guard let tree = try? JSONDecoder().decode(HelmValue.self, from: Data(try bytes(path))) else {
            throw Failure(.badInput, "\(path == "-" ? "standard input" : path) is not JSON; make it with `terraform show -json`")
        }
        return tree
    }

    // MARK: what is written

    private func write(_ text: String) throws {
        guard let out else { return Terminal.say(text) }
        let path = absolute(out)
        guard try readInput(path, limit: 64 << 20) == nil else {
            throw Failure(.io, "\(out) exists already; choose another --out, or move it away")
        }
        try LinuxFileStore().write(Array((text + "\n").utf8), to: path, mode: 0o644)
    }

    private func report(_ proposal: Proposal, _ findings: [Finding], _ file: MeshFile) {
        for sentence in proposal.summary { Terminal.remark(sentence) }
        let unknown = proposal.notes.count { $0.kind == .unknown }
        Terminal.remark("\(unknown) UNKNOWN to be filled in, \(proposal.notes.count - unknown) GUESSED to be checked")
        if !findings.isEmpty { Terminal.remark(renderText(findings, file: out ?? "mesh.yaml", place: file.sources.place)) }
    }
}
