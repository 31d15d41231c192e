// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import HostTrace

/// Why programs of others cannot be seen here.
private enum Inventory {
    static let refusal: String? = {
        do {
            _ = try ProgramInventory.read()
            return Kernel.refusal
        } catch {
            return "\(error)"
        }
    }()
}

@Suite(
    .enabled(if: Inventory.refusal == nil, "needs root (CAP_SYS_ADMIN)"), .serialized)
struct ProgramInventoryTests {
    @Test("our own programs are there with their type, owner, map and cost, and are gone with the tracer") func own() throws {
        let before = try ProgramInventory.read()
        let during = try ProgramInventory.counting {
            let tracer = try HostTracer([.exec, .drop])
            let started = try ProgramInventory.read()
            for _ in 0..<3 { try run("/bin/true") }
            let seen = try ProgramInventory.read().since(started)
            #expect(tracer.refused.isEmpty)
            return seen
        }
        let known = Set(before.programs.map(\.id))
        let ours = during.programs.filter { !known.contains($0.id) && $0.name.hasPrefix("trace_") }
        let exec = try #require(ours.first { $0.name == "trace_exec" })
        #expect(exec.type == "tracing" && exec.tag.count == 16 && exec.user == getuid() && exec.memory > 0)
        #expect(exec.runs >= 3 && exec.runTime > .zero && exec.runTime < .seconds(1))
        let comm = try String(contentsOfFile: "/proc/self/comm", encoding: .utf8).trimmingCharacters(in: .newlines)
        #expect(exec.owners == [comm])
        let ring = try #require(during.maps.first { $0.name == "events" && exec.maps.contains($0.id) })
        #expect(ring.type == "ringbuf" && ring.entries == 1 << 20)
        #expect(during.links.contains { $0.program == exec.id })
        // The kernel frees them a little after nobody holds them.
        let began = ContinuousClock.now
        func isThere() throws -> Bool { try ProgramInventory.read().programs.contains { $0.id == exec.id } }
        while try isThere(), ContinuousClock.now - began < .seconds(10) {}
        #expect(try !isThere())
    }

    @Test("runs and time are what came on top, and a program that has another's number is another one") func since() {
        func inventory(_ runs: UInt64, tag: String) -> ProgramInventory {
            ProgramInventory(
                programs: [
                    .init(
                        id: 1, type: "t", name: "n", tag: tag, user: 0, runs: runs, runTime: .nanoseconds(Int64(runs) * 10), memory: 0,
                        maps: [],
                        owners: [])
                ], maps: [], links: [])
        }
        #expect(inventory(12, tag: "a").since(inventory(5, tag: "a")).programs.first?.runs == 7)
        #expect(inventory(12, tag: "a").since(inventory(5, tag: "a")).programs.first?.runTime == .nanoseconds(70))
        #expect(inventory(12, tag: "a").since(inventory(5, tag: "b")).programs.first?.runs == 12)
        #expect(inventory(3, tag: "a").since(inventory(5, tag: "a")).programs.first?.runs == 3)
    }
}
