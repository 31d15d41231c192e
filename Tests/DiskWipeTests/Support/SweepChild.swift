// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Glibc
import MeshModel
import MeshSystem
import Testing

@testable import DiskWipe

/// A system call that a wipe makes, and how to make it in vain.
enum SweptCall: String, CaseIterable, Sendable {
    case pwrite64, pread64, fsync, ioctl, openat, read, write, renameat, flock, fcntl, fadvise64, newfstatat, lseek, fchmod, readlink

    /// strace counts the calls of each thread from 1. The wipe's thread makes this many in vain first, more than any other thread ever makes,
    /// so that a fault strikes the wipe and never the runtime around it.
    static let lead = 400

    func inVain() {
        var nothing: UInt8 = 0
        switch self {
        case .pwrite64: _ = pwrite(-1, &nothing, 0, 0)
        case .pread64: _ = pread(-1, &nothing, 0, 0)
        case .fsync: _ = Glibc.fsync(-1)
        case .ioctl: _ = Glibc.ioctl(-1, 0, 0)
        case .openat: _ = open("", O_RDONLY)
        case .read: _ = Glibc.read(-1, &nothing, 0)
        case .write: _ = Glibc.write(-1, &nothing, 0)
        case .renameat: _ = Glibc.renameat(-1, "", -1, "")
        case .flock: lockInVain()
        case .fcntl: _ = Glibc.fcntl(-1, F_GETFL)
        case .fadvise64: _ = posix_fadvise(-1, 0, 0, 0)
        case .newfstatat:
            var status = Glibc.stat()
            _ = lstat("", &status)
        case .lseek: _ = Glibc.lseek(-1, 0, 0)
        case .fchmod: _ = Glibc.fchmod(-1, 0)
        case .readlink:
            var letter: CChar = 0
            _ = Glibc.readlink("", &letter, 1)
        }
    }
}

/// Outside of the enum, where `flock` means the function.
private func lockInVain() { _ = flock(-1, 0) }

/// How the process of a swept wipe is told what to do.
enum SweptProcess {
    static let variable = "MESHGATE_SWEPT_WIPE"
    static let callVariable = "MESHGATE_SWEPT_CALL"
    static let directory = getenv(variable).map { String(cString: $0) }
    static let isHere = directory != nil
}

@Suite("child process of a sweep", .enabled(if: SweptProcess.isHere, "runs only inside of the sweeps of faults"))
struct SweepChild {
    /// The wipe, in a thread that made no call before.
    private final class Work {
        let directory: String
        let envelope: WarrantEnvelope
        let call: SweptCall?
        var answer: Result<TaskReport.Result, any Error>?

        init(_ directory: String, _ envelope: WarrantEnvelope, _ call: SweptCall?) {
            self.directory = directory
            self.envelope = envelope
            self.call = call
        }

        func wipe() {
            if let call {
                for _ in 0..<SweptCall.lead { call.inVain() }
            } else {
                SweptCall.fsync.inVain()
            }
            answer = Result {
                let configuration = Bench.configuration(directory)
                let store = try ReplayStore(directory: configuration.storeDirectory)
                return Wiper(configuration: configuration, store: store, boot: try SystemClock.bootID()).wipe(envelope)
            }
        }
    }

    @Test func aWipeInAProcessOfItsOwn() throws {
        let directory = try #require(SweptProcess.directory)
        let bytes = try #require(try LinuxFileStore().read("\(directory)/envelope", limit: 1 << 20))
        let call = getenv(SweptProcess.callVariable).flatMap { SweptCall(rawValue: String(cString: $0)) }
        let work = Work(directory, try JSONDecoder().decode(WarrantEnvelope.self, from: Data(bytes)), call)
        var thread = pthread_t()
        let started = pthread_create(
            &thread, nil,
            { raw in
                if let raw { Unmanaged<Work>.fromOpaque(raw).takeUnretainedValue().wipe() }
                return nil
            }, Unmanaged.passUnretained(work).toOpaque())
        try #require(started == 0 && pthread_join(thread, nil) == 0)
        switch try #require(work.answer) {
        case .success(let result): try LinuxFileStore().write(Array(try JSONEncoder().encode(result)), to: "\(directory)/result")
        case .failure(let error): try LinuxFileStore().write(Array("\(error)".utf8), to: "\(directory)/unopened")
        }
    }
}
