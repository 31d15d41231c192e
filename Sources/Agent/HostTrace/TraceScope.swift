// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// How far a tracer looks. One kernel may carry several nodes: containers, or a lab.
package enum TraceScope: String, Hashable, Sendable, CaseIterable, Codable {
    /// All that the kernel does.
    case host
    /// Only what happens in the network namespace that the tracer itself is in.
    case netns

    /// What the kernel counts for the whole machine, and no namespace can be told of.
    func refusal(of program: TraceProgram) -> TraceRefusal? {
        guard self == .netns else { return nil }
        return switch program {
        case .oomKill, .blockIssue, .blockComplete:
            TraceRefusal(program: program, why: "memory and disks belong to the whole machine, and one network namespace is watched")
        case .exec, .exit, .tcpState, .tcpRetransmit, .packetDrop: nil
        }
    }

    /// The inode of this thread's namespace, with which the programs are to compare; 0 for all.
    func namespace() throws(HostTraceError) -> UInt32 {
        guard self == .netns else { return 0 }
        var status = stat()
        let path = "/proc/thread-self/ns/net"
        guard stat(path, &status) == 0 else { throw .noNamespace(path, errno: errno) }
        guard let inode = UInt32(exactly: status.st_ino), inode > 0 else { throw .noNamespace(path, errno: EINVAL) }
        return inode
    }
}
