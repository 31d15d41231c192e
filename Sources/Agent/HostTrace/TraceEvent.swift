// SPDX-License-Identifier: Apache-2.0

package import MeshModel

/// One thing that the kernel told. Texts are as any program on the host chose them: they are cleaned where they are shown.
package struct TraceEvent: Hashable, Sendable {
    /// Wall time in nanoseconds since 1970.
    package var time: Int64
    package var what: What

    package enum What: Hashable, Sendable {
        case exec(Exec)
        case exit(Exit)
        case tcp(Connection, from: TCPState, to: TCPState)
        case retransmit(Connection)
        case drop(Drop)
        case oomKill(Process)
        case diskError(DiskError)
    }

    /// A process as the host numbers it.
    package struct Process: Hashable, Sendable {
        package var pid: UInt32
        package var uid: UInt32
        /// The first 15 bytes of its name.
        package var name: String
    }

    /// A program was started.
    package struct Exec: Hashable, Sendable {
        package var process: Process
        package var parent: UInt32
        package var path: String
        /// The program's own name for itself first. Cut after 256 bytes in all.
        package var arguments: [String]
        package var argumentsAreCut: Bool
        package var cgroup: UInt64
        /// The last part of the cgroup's path, which names the container or the service. Empty on hosts without the unified hierarchy.
        package var cgroupName: String
    }

    /// A process ended.
    package struct Exit: Hashable, Sendable {
        package var process: Process
        package var parent: UInt32
        package var code: UInt8
        /// The signal that ended it, 0 when none did.
        package var signal: UInt8
        package var lifetime: Duration
        package var cgroup: UInt64
    }

    /// Two ends, ours or the sender's first.
    package struct Flow: Hashable, Sendable {
        /// `nil` when the packet had no IP header.
        package var source: IPAddress?
        package var destination: IPAddress?
        package var sourcePort: UInt16
        package var destinationPort: UInt16
        /// As in the IP header: 1 ICMP, 6 TCP, 17 UDP.
        package var `protocol`: UInt8
        /// Inode of the network namespace, 0 when it is not known.
        package var namespace: UInt32
        /// 0 when it is not known.
        package var interface: UInt32
    }

    /// A TCP connection with what is known of it so far.
    package struct Connection: Hashable, Sendable {
        package var flow: Flow
        /// Who connected; `nil` for connections from outside and for those that are older than the tracer.
        package var owner: Process?
        /// Since its connect.
        package var age: Duration?
        /// errno, 0 for none.
        package var error: UInt16
        package var retransmits: UInt32
        package var bytesSent: UInt64
        package var bytesReceived: UInt64
    }

    /// A packet that the kernel threw away.
    package struct Drop: Hashable, Sendable {
        package var flow: Flow
        package var reason: UInt32
        package var length: UInt32
        package var etherType: UInt16
    }

    /// A disk that failed at a request.
    package struct DiskError: Hashable, Sendable {
        package var major: UInt32
        package var minor: UInt32
        package var operation: DiskOperation
        /// blk_status_t.
        package var status: UInt32
        package var sector: UInt64
        package var bytes: UInt64
    }
}

/// A state of a TCP connection, with the kernel's number.
package enum TCPState: UInt8, Hashable, Sendable {
    case unknown = 0
    case established, synSent, synReceived, finWait1, finWait2, timeWait, close, closeWait, lastAck, listen, closing, newSynReceived

    /// As `ss` prints it.
    package var word: String {
        switch self {
        case .unknown: "UNKNOWN"
        case .established: "ESTABLISHED"
        case .synSent: "SYN-SENT"
        case .synReceived, .newSynReceived: "SYN-RECV"
        case .finWait1: "FIN-WAIT-1"
        case .finWait2: "FIN-WAIT-2"
        case .timeWait: "TIME-WAIT"
        case .close: "CLOSED"
        case .closeWait: "CLOSE-WAIT"
        case .lastAck: "LAST-ACK"
        case .listen: "LISTEN"
        case .closing: "CLOSING"
        }
    }
}

/// What a disk was asked for (REQ_OP_ of the kernel).
package enum DiskOperation: Hashable, Sendable {
    case read, write, flush, discard, secureErase, writeZeroes
    case other(UInt32)

    init(number: UInt32) {
        self =
            switch number {
            case 0: .read
            case 1: .write
            case 2: .flush
            case 3: .discard
            case 5: .secureErase
            case 9: .writeZeroes
            default: .other(number)
            }
    }

    package var word: String {
        switch self {
        case .read: "read"
        case .write: "write"
        case .flush: "flush"
        case .discard: "discard"
        case .secureErase: "secure_erase"
        case .writeZeroes: "write_zeroes"
        case .other(let number): "operation_\(number)"
        }
    }
}
