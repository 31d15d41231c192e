// SPDX-License-Identifier: Apache-2.0

import Glibc
import MeshHTTP
import MeshModel
import MeshSystem
import Synchronization
import ToolDrivers

/// A watch on a collection of a Kubernetes API server in another process: the list in pages, then changes, one after the other. What counts is
/// the memory of this process, which keeps nothing of what it is told.
struct WatchBench {
    let objects: Int
    let server: String
    private static let changes = 5000

    func run() async throws {
        let access = ClusterAccess(context: "bench", server: server, authority: nil)
        let idle = Machine.memory("VmRSS")
        let tools = Toolbox(
            runner: ProcessCommandRunner(), http: try CurlHTTPClient(), files: LinuxFileStore(), now: SystemClock.now, searchPath: [],
            kubeconfig: "", baseDirectory: "/", workDirectory: "/nowhere", environment: [:], contexts: { [:] }, meshCA: { ("", "") },
            progress: { _, _ in })
        let client = tools.client(for: access)
        let seen = Mutex((present: 0, changed: 0))
        let load = Machine.load
        let start = Machine.now()
        let processor = Machine.cpu()
        try await client.watch("/api/v1/pods") { event in
            seen.withLock { seen in
                switch event {
                case .present: seen.present += 1
                case .added, .modified, .deleted: seen.changed += 1
                case .restarted, .upToDate: break
                }
                return seen.changed >= Self.changes
            }
        }
        let wall = Machine.now() - start
        let (present, changed) = seen.withLock { $0 }
        guard present == objects, changed == Self.changes else {
            throw BenchError.failed("\(present) objects and \(changed) changes were told of")
        }
        Machine.row(
            "\(objects)", "\(changed)", (idle / 1024).text(1), (Machine.memory("VmHWM") / 1024).text(1),
            (Machine.memory("VmRSS") / 1024).text(1), (Machine.memory("RssAnon") / 1024).text(1), wall.text(2),
            ((Machine.cpu() - processor) * 1e6 / Double(objects + changed)).text(0), load)
    }
}
