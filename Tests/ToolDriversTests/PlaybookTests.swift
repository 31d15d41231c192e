// SPDX-License-Identifier: Apache-2.0

import Foundation
import MeshModel
import MeshSystem
import MeshTesting
import Planning
import Running
import StandInTesting
import Testing

@testable import ToolDrivers

@Suite("Playbooks")
struct PlaybookTests {
    private func line(_ text: String) -> OutputLine { OutputLine(stream: .standardOutput, text: text) }

    @Test("results are told without secrets, and only figures of hosts show that something was played")
    func report() {
        var report = PlaybookReport(hiding: ["hunter22"])
        #expect(report.take(line("PLAY [all] ****")) == nil)
        #expect(report.take(OutputLine(stream: .standardError, text: #"{"event": "result"}"#)) == nil)
        let failed =
            #"{"event":"result","host":"a","task":"log in as hunter22","status":"failed","changed":false,"ignored":false,"message":"no hunter22"}"#
        #expect(report.take(line(failed)) == "a: log in as ***: failed")
        #expect(report.failures == ["a: log in as ***: failed: no ***"])
        report.end(CommandResult(exit: .exited(2)))
        #expect(report.outcome == .failed("`ansible-playbook` ended with exit code 2: a: log in as ***: failed: no ***"))
        var empty = PlaybookReport(hiding: [])
        empty.end(CommandResult(exit: .exited(0), standardOutput: Array("all good".utf8)))
        #expect(empty.outcome == .failed("`ansible-playbook` ended with exit code 0 and reported no hosts: nothing was played"))
        var hung = PlaybookReport(hiding: [])
        hung.end(CommandResult(exit: .timedOut))
        #expect(hung.outcome == .unknown("`ansible-playbook` did not end before its deadline and was stopped"))
        // A task whose failure the playbook itself ignores is no failure.
        var ignoring = PlaybookReport(hiding: [])
        _ = ignoring.take(line(#"{"event":"result","host":"a","task":"t","status":"failed","ignored":true,"message":"x"}"#))
        _ = ignoring.take(line(#"{"event":"stats","hosts":{"a":{"ok":1,"changed":1,"failures":0,"unreachable":0,"skipped":0}}}"#))
        ignoring.end(CommandResult(exit: .exited(0)))
        #expect(ignoring.outcome == .succeeded("played on 1 hosts, 1 changes"))
    }

    /// Where the real Ansible is: `MESHGATE_ANSIBLE_VENV`, or on PATH.
    private static let ansible: String? = {
        let environment = ProcessInfo.processInfo.environment
        let places =
            [environment["MESHGATE_ANSIBLE_VENV"].map { $0 + "/bin" }].compactMap(\.self)
            + (environment["PATH"] ?? "").split(separator: ":").map(String.init)
        return places.first { FileManager.default.isExecutableFile(atPath: $0 + "/ansible-playbook") }
    }()

    private static let playbook = """
        - hosts: localhost
          gather_facts: false
          tasks:
            - name: the kubeconfig has one context
              ansible.builtin.assert:
                that:
                  - (lookup('ansible.builtin.file', kubeconfig) | from_json).contexts | length == 1
                  - kube_context == 'admin@east'
                  - lookup('ansible.builtin.env', 'KUBECONFIG') == kubeconfig
            - name: a secret is used
              ansible.builtin.copy:
                content: "{{ token }}"
                dest: "{{ playbook_dir }}/written"
                mode: "0600"
            - name: a hidden failure
              ansible.builtin.fail:
                msg: "the token is {{ token }}"
              no_log: true
              when: breaks | bool

        """

    @Test(
        "the real Ansible plays with one context, logs nowhere, and tells neither arguments nor hidden results",
        .enabled(if: PlaybookTests.ansible != nil, "there is no ansible-playbook; pip install ansible-core, or set MESHGATE_ANSIBLE_VENV"))
    func realAnsible() async throws {
        let bin = try #require(Self.ansible)
        var spec = try SmallMesh.spec(services: false)
        spec.services = [
            .init(
                name: "day-two", source: .playbook(path: "ansible/play.yml"), clusters: spec.clusters.map(\.name),
                values: ["breaks": .bool(false)], secretValues: ["token": .file(path: "token")])
        ]
        try await StandInWorld.with(spec) { [spec] world in
            let files = LinuxFileStore()
            try files.createDirectory(world.directory + "/ansible")
            try files.write(Array("correct-horse\n".utf8), to: world.directory + "/token")
            try files.write(Array(Self.playbook.utf8), to: world.directory + "/ansible/play.yml")
            // What the recipe's own configuration does: D30.
            try files.write(
                Array("[defaults]\nlog_path = ./playbook.log\ndisplay_args_to_stdout = True\nverbosity = 3\n".utf8),
                to: world.directory + "/ansible/ansible.cfg")
            let bench = try Bench(world, spec, runner: ProcessCommandRunner(), searchPath: [bin, "/usr/bin", "/bin"])
            let outcome = try await bench.run("east", "service-day-two")
            #expect(outcome == .succeeded("played on 1 hosts, 1 changes"))
            #expect(try files.read(world.directory + "/ansible/written", limit: 100) == Array("correct-horse".utf8))
            #expect(try files.list(world.directory + "/ansible") == ["ansible.cfg", "play.yml", "written"])
            let left = try files.list(world.directory + "/work/ansible-east-day-two") ?? []
            #expect(!left.contains { $0.hasSuffix(".json") || $0 == "kubeconfig" })

            var breaking = spec
            breaking.services[0].values = ["breaks": .bool(true)]
            let plan = try Bench.plan(breaking)
            let failed = await bench.driver.carryOut(try #require(plan.step(StepID(rawParts: ["east", "service-day-two"]))), plan: plan)
            guard case .failed(let why) = failed else {
                Issue.record("\(failed)")
                return
            }
            #expect(why == "`ansible-playbook` ended with exit code 2: localhost: a hidden failure: failed")
            #expect(!why.contains("correct-horse"))
        }
    }
}
