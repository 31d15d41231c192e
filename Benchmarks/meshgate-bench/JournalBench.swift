// SPDX-License-Identifier: Apache-2.0

import Glibc
import JournalSQLite
import MeshModel
import MeshSystem
import MeshTrust
import Running

/// Durable appends of SQLiteJournal beside a plain file that gets the same bytes and one fdatasync per batch, turn and turn about.
struct JournalBench {
    let directory: String
    private static let rounds = 7
    private static let turn = 0.4

    func run() async throws {
        for batch in [1, 16, 256] { try await measure(batch) }
    }

    private func measure(_ batch: Int) async throws {
        let path = "\(directory)/journal-\(batch)"
        for end in ["", "-wal", "-shm", ".lock", ".floor"] { unlink(path + end) }
        let journal = try SQLiteJournal.open(path: path, digester: sha256)
        let floor = open(path + ".floor", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        guard floor >= 0 else { throw BenchError.failed("cannot write in \(directory)") }
        defer {
            close(floor)
            for end in ["", "-wal", "-shm", ".lock", ".floor"] { unlink(path + end) }
        }
        let (mesh, load) = (try BenchReports(size: .small), Machine.load)
        let entries = (0..<batch).map { JournalEntry.evidenceTaken(mesh.evidence(index: $0, round: 0, at: SystemClock.now())) }
        let bytes = try entries.reduce(into: [UInt8]()) { $0 += try CanonicalJSON.encode($1) + [UInt8](repeating: 0, count: 64) }
        var ours: [Double] = []
        var plain: [Double] = []
        var cpu: [Double] = []
        for round in 0...Self.rounds {
            let before = Machine.cpu()
            let mine = try await repeating { _ = try await journal.append(entries, at: SystemClock.now()) }
            let spent = (Machine.cpu() - before) / Double(mine.count * batch) * 1e6
            let theirs = try await repeating {
                guard write(floor, bytes, bytes.count) == bytes.count, fdatasync(floor) == 0 else {
                    throw BenchError.failed("the disk refuses")
                }
            }
            if round == 0 { continue }
            ours.append(Double(mine.count * batch) / mine.seconds)
            plain.append(Double(theirs.count * batch) / theirs.seconds)
            cpu.append(spent)
        }
        let (own, other) = (Samples(ours), Samples(plain))
        Machine.row(
            "\(batch)", "\(bytes.count / batch)", own.median.text(0), own.range(0), (own.median / Double(batch)).text(0),
            other.median.text(0),
            (own.median / other.median).text(2), Samples(cpu).median.text(0), load)
    }

    private func repeating(_ body: () async throws -> Void) async throws -> (count: Int, seconds: Double) {
        let start = Machine.now()
        var count = 0
        while Machine.now() - start < Self.turn {
            try await body()
            count += 1
        }
        return (count, Machine.now() - start)
    }
}
