// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshTesting
import MeshTrust
import Testing

@testable import ToolDrivers

@Suite("What a Terraform plan may do")
struct TerraformPolicyTests {
    private func plan(_ changes: String, _ rest: String = "") throws -> TerraformPlan {
        try TerraformPlan(
            json: Array(
                #"{"format_version":"1.2","terraform_version":"1.11.4","complete":true,"resource_changes":[\#(changes)]\#(rest)}"#.utf8))
    }

    private func change(_ address: String, _ actions: String) -> String {
        #"{"address":"\#(address)","mode":"managed","change":{"actions":[\#(actions)],"before":{"password":"p"},"after":null}}"#
    }

    @Test("replacements and objects that are forgotten count as deleted")
    func counts() throws {
        let actions = [
            #""create""#, #""update""#, #""delete","create""#, #""create","delete""#, #""forget""#, #""create","forget""#, #""no-op""#,
            #""read""#, #""delete""#,
        ]
        let plan = try plan(actions.enumerated().map { change("a.b\($0)", $1) }.joined(separator: ","))
        #expect(plan.counts == (1, 1, 5))
        #expect(TerraformPolicy().judge(plan).isEmpty)
        let losses = try #require(plan.losses)
        #expect(losses.objects == ["delete a.b8", "forget a.b4", "forget a.b5", "replace a.b2", "replace a.b3"])
        #expect(losses.digest == Digest.sha256(Array(losses.objects.map { $0 + "\n" }.joined().utf8)))
    }

    @Test("an action that is not known is refused, as are words of a known one in another order")
    func unknown() throws {
        for actions in [#""obliterate""#, "", #""create","delete","create""#, #""update","delete""#] {
            let refusals = TerraformPolicy().judge(try plan(change("a.b", actions)))
            guard case .unknownAction("a.b", _)? = refusals.first else { return #expect(Bool(false), "\(actions): \(refusals)") }
        }
    }

    @Test("nothing goes outside of a phase or in one that only creates, and a teardown makes and changes nothing")
    func deletions() throws {
        let gone = try plan([change("a.b[0]", #""delete""#), change("c.d", #""delete","create""#)].joined(separator: ","))
        #expect(TerraformPolicy.destroying.judge(try plan(change("a.b", #""delete""#))).isEmpty)
        #expect(TerraformPolicy.destroying.judge(gone) == [.notAllowed("c.d", .replace)])
        #expect(TerraformPolicy(.init(name: "p", addresses: ["a.b"])).judge(gone) == [.outside("c.d", .replace)])
        #expect(TerraformPolicy(.init(name: "p", createsOnly: true)).judge(gone).count == 2)
        let sneaky = try plan([change("a.b", #""create""#), change("a.c", #""update""#)].joined(separator: ","))
        #expect(TerraformPolicy.destroying.judge(sneaky).count == 2)
    }

    @Test("another object, another way of losing it, and one more or less is another list")
    func losses() throws {
        func digest(_ changes: String...) throws -> Digest? { try plan(changes.joined(separator: ",")).losses?.digest }
        let two = try digest(change("a.b[0]", #""delete""#), change("a.b[1]", #""delete""#))
        #expect(try two == digest(change("a.b[1]", #""delete""#), change("a.c", #""create""#), change("a.b[0]", #""delete""#)))
        #expect(try two != digest(change("a.b[0]", #""delete""#), change("a.b[1]", #""delete","create""#)))
        #expect(try two != digest(change("a.b[0]", #""delete""#)))
        #expect(try two != digest(change("a.b[0]", #""delete""#), change("a.b[1]", #""delete""#), change("a.b[2]", #""forget""#)))
        #expect(try digest(change("a.b", #""create""#), change("a.c", #""no-op""#)) == nil)
    }

    @Test("a target covers what is below it and nothing that only begins alike")
    func covers() {
        #expect(TerraformAddress("module.a").covers("module.a.x.y[0]"))
        #expect(TerraformAddress("module.a").covers("module.a[\"k.z\"].x.y"))
        #expect(TerraformAddress("x.y").covers("x.y"))
        #expect(TerraformAddress("x.y").covers("x.y[\"a\"]"))
        #expect(!TerraformAddress("x.y").covers("x.yz"))
        #expect(!TerraformAddress("module.a").covers("module.ab.x.y"))
        #expect(!TerraformAddress("x.y[0]").covers("x.y"))
    }

    @Test("deferred changes, provider actions, a failed plan and one that leaves something out are refused")
    func incomplete() throws {
        let none = change("a.b", #""no-op""#)
        func refusals(_ rest: String) throws -> [TerraformPolicy.Refusal] { TerraformPolicy().judge(try plan(none, rest)) }
        #expect(try refusals(#","deferred_changes":[{"reason":"unknown","resource_change":{"address":"a.c"}}]"#) == [.deferred(["a.c"])])
        #expect(try refusals(#","action_invocations":[{"x":1}]"#) == [.invocations(1)])
        #expect(try refusals(#","errored":true"#) == [.failed])
        let cut = try TerraformPlan(json: Array(#"{"format_version":"1.2","complete":false}"#.utf8))
        #expect(TerraformPolicy().judge(cut) == [.incomplete])
    }

    @Test("drift is seen, and the configuration's addresses are found in modules")
    func rest() throws {
        let rest = #"""
            ,"resource_drift":[{"address":"a.b","change":{"actions":["update"]}}],"configuration":{"root_module":{"resources":[
            {"address":"a.b"}],"module_calls":{"m":{"module":{"resources":[{"address":"c.d"}]}}}}}
            """#
        let plan = try plan(change("a.b", #""no-op""#), rest)
        #expect(plan.drift.map(\.address) == ["a.b"])
        #expect(plan.configured == ["a.b", "module.m.c.d"])
    }

    @Test("another major of the format, and what is no plan, are refused")
    func foreign() {
        for text in [
            #"{"format_version":"2.0"}"#, "{}", "", "[]", "null", #"{"format_version":1}"#, String(repeating: "[", count: 100_000),
        ] {
            #expect(throws: DriverError.self) { try TerraformPlan(json: Array(text.utf8)) }
        }
    }

    @Test("no change of a plan's bytes makes a deletion pass")
    func mutations() throws {
        let good = Array(
            #"{"format_version":"1.2","complete":true,"resource_changes":[\#(change("a.b", #""delete""#)),\#(change("a.c", #""create""#))]}"#
                .utf8)
        var generator = SplitMix(seed: 0x7E44)
        for _ in 0..<2000 {
            var bytes = good
            bytes[Int.random(in: 0..<bytes.count, using: &generator)] = UInt8.random(in: 0...255, using: &generator)
            guard let plan = try? TerraformPlan(json: bytes), plan.changes.count == 2 else { continue }
            #expect(!TerraformPolicy().judge(plan).isEmpty || plan.losses != nil, "\(String(decoding: bytes, as: UTF8.self))")
        }
    }

    @Test("progress counts what is ready, shows what has been under way for longest, and is never more than full")
    func progress() {
        let bars = TerraformBench.Bars()
        let progress = TerraformProgress(total: 2) { bars.hear($0) }
        func line(_ type: String, _ name: String, _ seconds: Int = 0) -> String {
            #"{"type":"\#(type)","@message":"m","hook":{"resource":{"addr":"\#(name)"},"action":"create","elapsed_seconds":\#(seconds)}}"#
        }
        for text in [
            line("apply_start", "a.b"), line("apply_start", "c.d"), line("apply_progress", "a.b", 30), "garbage \"apply_",
            line("apply_progress", "?"),
            line("apply_complete", "c.d", 31), line("apply_errored", "a.b", 40), line("apply_complete", "x.y"),
            line("apply_complete", "x.z"),
        ] { progress.hear(text) }
        #expect(bars.all.map(\.done) == [0, 0, 0, 1, 1, 2, 2])
        #expect(bars.all[2].current == .init(name: "a.b", seconds: 30))
        #expect(bars.all[3].current == .init(name: "a.b", seconds: 30))
        #expect(bars.all[4].current == nil && bars.all[6].percent == 100)
    }

    @Test("a lock's holder is told in one line")
    func holder() {
        let detail = """
            Error message: resource temporarily unavailable
            Lock Info:
              ID:        863c46fd
              Path:      terraform.tfstate
              Operation: OperationTypeApply
              Who:       root@vm
              Version:   1.11.4
              Created:   2026-11-28 04:31:06.79 +0000 UTC
            """
        let diagnostic = TerraformLine.Diagnostic(isError: true, summary: "Error acquiring the state lock", detail: detail, address: nil)
        #expect(diagnostic.lockHolder == "apply by root@vm since 2026-11-28 04:31:06.79 +0000 UTC, lock id 863c46fd")
    }
}
