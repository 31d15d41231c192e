// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import meshgate_agent

/// The tracer as a process of its own, with what it may do and what it tells.
@Suite(.enabled(if: getuid() == 0, "needs root: the tracer brings programs into the kernel")) struct TracerThroughTests {
    @Test("the tracer keeps two capabilities, on every thread, and says what it watches") func process() async throws {
        let scratch = try Scratch()
        let socket = scratch.path + "/tracer.sock"
        let tracer = try AgentProgram("tracer", "serve", "--tracer-socket", socket, "--kind", "exec,drop")
        var status = try await AgentProgram("tracer", "status", "--tracer-socket", socket).ending()
        let began = ContinuousClock.now
        while !status.output.contains("watches s"), ContinuousClock.now - began < .seconds(30) {
            status = try await AgentProgram("tracer", "status", "--tracer-socket", socket).ending()
        }
        for thread in try FileManager.default.contentsOfDirectory(atPath: "/proc/\(tracer.pid)/task") {
            let own = try String(contentsOfFile: "/proc/\(tracer.pid)/task/\(thread)/status", encoding: .utf8)
            #expect(own.contains("CapEff:\t000000c000000000"), "CAP_PERFMON is 38, CAP_BPF 39")
            #expect(own.contains("NoNewPrivs:\t1"))
        }
        #expect(status.code == 0 && status.output.contains("watches sched_process_exec, kfree_skb"), "\(status)")
        #expect(status.output.contains("NO AGENT takes what is seen"))
        tracer.terminate()
        #expect(await tracer.ending().code == 0)
        let gone = try await AgentProgram("tracer", "status", "--tracer-socket", socket).ending()
        #expect(gone.code == 69)
    }

    @Test("a watch by hand shows a program that starts, as lines of JSON with a summary behind them") func watch() async throws {
        let mark = UUID().uuidString
        let watch = try AgentProgram("probe", "trace", "--seconds", "60", "--kind", "exec", "--output", "ndjson")
        let files = "/proc/\(watch.pid)/fd"
        func runs() -> Bool {
            ((try? FileManager.default.contentsOfDirectory(atPath: files)) ?? []).contains {
                (try? FileManager.default.destinationOfSymbolicLink(atPath: files + "/" + $0))?.contains("bpf_link") == true
            }
        }
        let began = ContinuousClock.now
        while !runs(), ContinuousClock.now - began < .seconds(30) { await Task.yield() }
        _ = try await AgentProgram("--version", mark).ending()
        watch.terminate()
        let ending = await watch.ending()
        #expect(ending.code == 0)
        let lines = try ending.output.split(separator: "\n").map {
            try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
        }
        #expect(lines.contains { ($0["arguments"] as? [String])?.contains(mark) == true && $0["kind"] as? String == "process_exec" })
        #expect(lines.last?["kind"] as? String == "summary")
    }

    @Test("output that cannot be kept is a failure") func full() async throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        process.arguments = ["-c", #"exec "$0" probe trace --seconds 1 --kind exec --output json >/dev/full"#, try AgentProgram.path()]
        let errors = Pipe()
        process.standardError = errors
        try process.run()
        let said = String(decoding: try errors.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
        process.waitUntilExit()
        #expect(process.terminationStatus == 74 && said.contains("cannot write the output: No space left on device"), "\(said)")
    }

    @Test("a kind that there is not is refused with those that there are") func unknownKind() async throws {
        let ending = try await AgentProgram("probe", "trace", "--kind", "exec,files").ending()
        #expect(ending.code == 64 && ending.errors.contains("there is no kind \"files\"; known are exec, exit, tcp"), "\(ending)")
    }
}
