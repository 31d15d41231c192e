// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import MeshModel
import Telemetry
import Testing

@testable import HostTrace

/// Two tracers on one kernel, as a machine with several nodes has them: each sees its own.
@Suite(.enabled(if: Kernel.takesPrograms, Kernel.reason), .serialized) struct TraceScopeTests {
    private func events(_ tracer: HostTracer) -> [TraceEvent] {
        var events: [TraceEvent] = []
        tracer.drain { events.append($0) }
        return events
    }

    @Test("programs of another network namespace are neither seen to start nor to end, and those of our own are") func programs() throws {
        let (narrow, wide) = (try HostTracer([.exec, .exit], scope: .netns), try HostTracer([.exec, .exit]))
        #expect(narrow.refused.isEmpty)
        let (here, there) = (UUID().uuidString, UUID().uuidString)
        try run("/bin/true", here)
        try run("/usr/bin/unshare", "-n", "/bin/true", there)
        func starts(_ events: [TraceEvent], _ mark: String) -> [TraceEvent.Exec] {
            events.compactMap { event in
                if case .exec(let exec) = event.what, exec.arguments == ["/bin/true", mark] { exec } else { nil }
            }
        }
        func ends(_ events: [TraceEvent], _ pid: UInt32?) -> Int {
            events.count { if case .exit(let exit) = $0.what { exit.process.pid == pid } else { false } }
        }
        let (mine, all) = (events(narrow), events(wide))
        let (own, other) = (try #require(starts(all, here).first), try #require(starts(all, there).first))
        #expect(starts(mine, here) == [own] && starts(mine, there).isEmpty)
        #expect(ends(mine, own.process.pid) == 1 && ends(all, own.process.pid) == 1)
        #expect(ends(mine, other.process.pid) == 0 && ends(all, other.process.pid) == 1)
    }

    @Test("neither connections nor dropped packets of another network namespace are seen, nor counted") func network() throws {
        let narrow = try HostTracer([.tcp, .drop], scope: .netns)
        let wide = try HostTracer([.tcp, .drop])
        let said = try run(
            "/usr/bin/unshare", "-n", "/bin/bash", "-c",
            """
            ip link set lo up; nft add table inet f
            nft 'add chain inet f i { type filter hook input priority 0; }'; nft add rule inet f i udp dport 9 drop
            # More than one, as of what a busy machine drops at the same moment only some is told.
            for i in {1..30}; do echo hello >/dev/udp/127.0.0.1/9; sleep 0.02; done
            (: </dev/tcp/127.0.0.1/9) 2>/dev/null; stat -L -c %i /proc/self/ns/net
            """)
        let namespace = try #require(UInt32(said))
        func told(_ events: [TraceEvent]) -> (drops: Int, connections: Int) {
            var told = (drops: 0, connections: 0)
            for event in events {
                switch event.what {
                case .drop(let drop) where drop.flow.namespace == namespace: told.drops += 1
                case .tcp(let connection, _, _) where connection.flow.namespace == namespace: told.connections += 1
                default: break
                }
            }
            return told
        }
        let (mine, all) = (events(narrow), events(wide))
        #expect(told(all).drops > 0 && told(all).connections > 0)
        #expect(told(mine) == (0, 0))
        let own = TraceScope.netns
        #expect(
            mine.allSatisfy { event in
                switch event.what {
                case .drop(let drop): drop.flow.namespace == (try? own.namespace())
                case .tcp(let connection, _, _): connection.flow.namespace == (try? own.namespace())
                default: true
                }
            })
    }

    @Test("what belongs to the whole machine is left out, and said to be") func machine() throws {
        let tracer = try HostTracer([.exec, .oom, .disk], scope: .netns)
        #expect(tracer.running == [.exec])
        #expect(tracer.refused.map(\.program) == [.oomKill, .blockComplete, .blockIssue])
        #expect(tracer.refused.allSatisfy { $0.why.contains("whole machine") })
    }
}

@Suite struct FiguresScopeTests {
    @Test("figures say what is watched; those of one namespace leave out the machine's disks and pressure") func figures() throws {
        func body(_ scope: TraceScope) throws -> String {
            let tracer = ProcTracer(procroot: "/proc", scope: scope)
            #expect(tracer.figures(at: EventTime(nanoseconds: 1), watched: []).isEmpty, "it counts from there")
            let event = try #require(tracer.figures(at: EventTime(nanoseconds: 2), watched: ["kfree_skb"]).first)
            #expect(event.kind == .hostFigures)
            return String(decoding: try #require(event.body).bytes, as: UTF8.self)
        }
        let (narrow, wide) = (try body(.netns), try body(.host))
        for text in [narrow, wide] { #expect(text.contains("\"watched\":[\"kfree_skb\"]") && text.contains("Tcp.OutSegs"), "\(text)") }
        #expect(!narrow.contains("pressure") && narrow.contains("\"disks\":[]"))
        #expect(wide.contains("oom_kill"))
    }
}
