// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Gating
import MeshModel
import MeshSystem
import OperatorAPI
import Planning

/// `meshgate check net|host|disk`: ask nodes now.
struct CheckCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check", abstract: "Ask nodes now what they see, and compare it with the plan. Changes nothing.",
        discussion: """
            The questions go to the agents at once, beside a run or without one, and what is shown was seen within the last seconds:
              net    links, addresses, routes, and what the node can connect to
              host   uptime, clock, kernel, what the machine is and how it is set; of a hypervisor also the mesh's machines on it
              disk   disks and what is on them, and whether the hypervisor knows the same
            Several of them are asked at once.

            The plan is that of -f, or else of the coordinator's last run; without one, only facts are shown. Without --node every node of the
            plan that has an agent is asked; a hypervisor also by its API, where mesh.yaml names one.

            Examples:
              meshgate check net
              meshgate check net --node wrk-e-1 --node wrk-w-1
              meshgate check host -f mesh.yaml
              meshgate check net host disk
              meshgate check disk --node wrk-e-1 --output json | jq '.[].gates[] | select(.verdict != "pass")'

            Exit codes: 0 everything was answered and is as planned, 1 something is not, or was not answered.
            """)

    @Argument(help: "What to look at: net, host, disk, or several of them.") var topics: [CheckTopic]
    @Option(name: .long, help: "A node; give it again for more of them.") var node: [String] = []
    @Option(name: [.customShort("f"), .long], help: "The mesh file to compare with.", completion: .file(extensions: ["yaml", "yml"]))
    var mesh: String?
    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOption

    /// So many questions are under way at once, each a topic of a node.
    private static let parallel = 64

    func run() async throws {
        try await asking(connection) { client in
            let plan = try await self.plan(client)
            let topics = self.topics.reduce(into: [CheckTopic]()) { all, topic in if !all.contains(topic) { all.append(topic) } }
            let checks = Dictionary(uniqueKeysWithValues: topics.map { ($0, plan?.checks($0) ?? [:]) })
            let nodes = try await self.nodes(plan, client)
            let questions = nodes.flatMap { node in
                topics.map { (node, CheckRequest(topic: $0, checks: checks[$0]?[node] ?? [])) }
            }
            let replies = try await put(questions, client)
            let text = CheckText(replies, hasPlan: plan != nil, plannedLinks: plan.map(Self.plannedLinks) ?? [:])
            Terminal.say(output.output == .json ? try CanonicalJSON.text(replies) : text.text)
            if !replies.allSatisfy(\.isGood) { throw Exit.no.code }
        }
    }

    private static func plannedLinks(_ plan: Plan) -> [NodeID: Set<String>] {
        plan.checks(.net).mapValues { checks in
            Set(checks.compactMap { if case .link(_, let name, _, _) = $0.requirement { name } else { nil } })
        }
    }

    private func plan(_ client: OperatorClient) async throws -> Plan? {
        if let mesh { return try makePlan(try MeshOption.lintedSpec(mesh)) }
        do {
            let last = try await client.plan()
            // A teardown or a look has other steps; what nodes have to be like is in the build.
            return last.purpose == .build ? last : try makePlan(last.spec)
        } catch let error as OperatorClientError {
            if case .refused(404, _) = error { return nil }
            throw error
        }
    }

    private func nodes(_ plan: Plan?, _ client: OperatorClient) async throws -> [NodeID] {
        let named = try node.map(nodeID)
        if !named.isEmpty { return named.reduce(into: []) { all, node in if !all.contains(node) { all.append(node) } } }
        if let spec = plan?.spec {
            let members = spec.members.map(\.node).filter(\.hasAgent).map(\.name)
            let planned = members + spec.hypervisors.filter { $0.hasAgent || topics.contains(.host) && $0.api != nil }.map(\.name)
            if !planned.isEmpty { return planned }
        }
        let connected = try await client.nodes().nodes.filter(\.connected).map(\.name)
        guard !connected.isEmpty else {
            throw Failure(
                .no, "no agent is connected, and no plan names nodes; `meshgate node invite NODE` makes a token for the first one")
        }
        return connected
    }

    /// The answers in the order of the questions. Each is a request of its own: whoever interrupts leaves nothing behind.
    private func put(_ questions: [(NodeID, CheckRequest)], _ client: OperatorClient) async throws -> [CheckReply] {
        let progress = CheckProgress(of: questions.count)
        defer { progress.clear() }
        return try await withThrowingTaskGroup(of: (Int, CheckReply).self) { group in
            var waiting = questions.enumerated().makeIterator()
            func begin() {
                guard let (index, (node, request)) = waiting.next() else { return }
                group.addTask { (index, try await client.check(node, request)) }
            }
            for _ in 0..<Self.parallel { begin() }
            var replies: [Int: CheckReply] = [:]
            while let (index, reply) = try await group.next() {
                replies[index] = reply
                progress.show(replies.count)
                begin()
            }
            return replies.sorted { $0.key < $1.key }.map(\.value)
        }
    }
}

extension CheckTopic: ExpressibleByArgument {}

/// How many nodes have answered, on a terminal and beside the result.
private struct CheckProgress {
    let total: Int

    init(of total: Int) {
        self.total = total
        show(0)
    }

    func show(_ done: Int) {
        guard Terminal.isInteractive, total > 1 else { return }
        Terminal.raw("\r\u{1B}[2Kasked \(total) questions, \(done) are answered")
    }

    func clear() { if Terminal.isInteractive, total > 1 { Terminal.raw("\r\u{1B}[2K") } }
}
