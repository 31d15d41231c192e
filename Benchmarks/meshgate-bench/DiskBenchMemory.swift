// SPDX-License-Identifier: Apache-2.0

import DiskWipe
import Glibc
import MeshModel

/// The real `meshgate-agent wiper serve` while it wipes: its peak memory, and the time from the order on its socket to the report.
struct DiskBenchMemory {
    let directory: String
    let program: String

    func run() async throws {
        try await DiskBenchPlace.with(directory) { place in
            let small = try await place.disk("vdb", size: 4 << 30, .direct)
            let large = try await place.disk("vdc", size: 1 << 40, .direct)
            let socket = "\(place.directory)/wiper.sock"
            let work: [(String, [DiskBenchPlace.Disk], WarrantTerms.Method)] = [
                ("inventory of both", [], .labels), ("labels, 4 GiB", [small], .labels), ("labels, 1 TiB", [large], .labels),
                ("zero, 4 GiB", [small], .zero), ("labels 1 TiB and zero 4 GiB at once", [large, small], .labels),
            ]
            for (what, disks, method) in work {
                // A process of its own for each, as a peak does not go down again.
                let wiper = try Companion([
                    program, "wiper", "serve", "--node", DiskBenchPlace.node.text, "--wiper-socket", socket, "--wiper-state",
                    "\(place.directory)/store", "--signers", "\(place.directory)/allowed_signers", "--node-key",
                    "\(place.directory)/node-key", "--allow-loop-disks", "--devroot", "\(place.directory)/dev", "--log-level", "error",
                ])
                defer { wiper.stop() }
                try await measure(what, wiper, WiperClient(socketPath: socket), disks, method, place)
            }
        }
    }

    private func measure(
        _ what: String, _ wiper: Companion, _ client: WiperClient, _ disks: [DiskBenchPlace.Disk], _ method: WarrantTerms.Method,
        _ place: DiskBenchPlace
    ) async throws {
        let load = Machine.load
        try await answer(client)
        let idle = memory(wiper.process, "VmRSS", "RssAnon")
        var seconds: [Double] = []
        if disks.isEmpty {
            for _ in 0..<5 {
                let start = Machine.now()
                _ = try await client.inventory()
                seconds.append(Machine.now() - start)
            }
        } else {
            let mark = try await client.status().store
            var orders: [WarrantEnvelope] = []
            for disk in disks {
                // Where several work at once, the small one is overwritten and the large one cleared.
                let own = disks.count > 1 && disk.name == "vdb" ? .zero : method
                orders.append(try await place.warrant(try place.fact(disk), mark, method: own))
            }
            let start = Machine.now()
            try await withThrowingTaskGroup(of: Void.self) { group in
                for order in orders {
                    group.addTask {
                        let result = try await client.wipe(order, node: DiskBenchPlace.node)
                        guard case .wiped(let report) = result, report.ending == .cleared else {
                            throw BenchError.failed("not wiped: \(result)")
                        }
                    }
                }
                try await group.waitForAll()
            }
            seconds.append(Machine.now() - start)
        }
        Machine.row(
            what, idle, (Machine.memory("VmHWM", of: wiper.process) / 1024).text(1),
            (Machine.memory("RssAnon", of: wiper.process) / 1024).text(1), (Samples(seconds).median * 1000).text(0), load)
    }

    private func memory(_ process: pid_t, _ fields: String...) -> String {
        fields.map { (Machine.memory($0, of: process) / 1024).text(1) }.joined(separator: " / ")
    }

    /// The socket is there a moment after the process is.
    private func answer(_ client: WiperClient) async throws {
        for attempt in 0... {
            do {
                _ = try await client.status()
                return
            } catch {
                guard attempt < 100 else { throw error }
                try await Task.sleep(for: .milliseconds(50))
            }
        }
    }
}
