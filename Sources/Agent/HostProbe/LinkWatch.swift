// SPDX-License-Identifier: Apache-2.0

internal import CLinux
import Glibc
package import MeshModel
import MeshSystem

/// Follows the kernel's news of links, addresses and routes, and hands over the whole inventory when something changed that a plan can ask about.
/// It needs no privilege.
package struct LinkWatch: Sendable {
    private let prober: HostProber

    package init(_ prober: HostProber) { self.prober = prober }

    /// Watches until the task is cancelled; throws when the kernel's news cannot be had. `tell` is called from a thread of its own.
    package func run(_ tell: @escaping @Sendable ([Fact]) -> Void) async throws {
        let stop = try StopSignal()
        try await withTaskCancellationHandler {
            try await OwnThread.run(named: "link-watch") { try follow(until: stop, tell) }
        } onCancel: {
            stop.raise()
        }
    }

    /// The same on the calling thread, in its network namespace.
    func follow(until stop: StopSignal, _ tell: ([Fact]) -> Void) throws {
        let descriptor = meshgate_netlink_subscribe()
        guard descriptor >= 0 else { throw HostProbeError.netlink(doing: "follow changes", errno: -descriptor) }
        defer { close(descriptor) }
        var pacer = ChangePacer()
        // After the subscription: what changes from here on is news.
        var known = LinkEssentials(try prober.networkFacts())
        while true {
            var polled = [
                pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0), pollfd(fd: stop.descriptor, events: Int16(POLLIN), revents: 0),
            ]
            let left = pacer.nextLook.map { Int32(clamping: max(0, $0 - prober.now().boot)) } ?? -1
            guard poll(&polled, 2, left) >= 0 || errno == EINTR else {
                throw HostProbeError.netlink(doing: "wait for changes", errno: errno)
            }
            if polled[1].revents != 0 { return }
            if polled[0].revents != 0, try Self.drain(descriptor) { pacer.noticed(at: prober.now().boot) }
            guard let due = pacer.nextLook, prober.now().boot >= due else { continue }
            // What comes during the look is noticed after it, and looked at anew.
            let facts = try prober.networkFacts()
            let seen = LinkEssentials(facts)
            pacer.looked(at: prober.now().boot, told: seen != known)
            if seen != known { tell(facts) }
            known = seen
        }
    }

    /// Takes all that has come; true when a look is worth it. News that was lost may have been anything.
    private static func drain(_ descriptor: Int32) throws -> Bool {
        var isWorthIt = false
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let got = meshgate_netlink_receive(descriptor, &buffer, buffer.count)
            switch Int32(clamping: -got) {
            case EAGAIN: return isWorthIt
            case ENOBUFS, EMSGSIZE: isWorthIt = true
            // Somebody else than the kernel wrote to us.
            case EPROTO: continue
            default:
                guard got > 0 else { throw HostProbeError.netlink(doing: "receive changes", errno: got == 0 ? EPIPE : Int32(-got)) }
                if !isWorthIt { isWorthIt = mayMatter(buffer[..<Int(got)]) }
            }
        }
    }

    /// Only default routes matter, and hosts of pods have thousands of others that come and go.
    static func mayMatter(_ datagram: ArraySlice<UInt8>) -> Bool {
        do throws(NetlinkFault) {
            for message in try NetlinkMessage.parse(datagram) {
                // RTM_NEWROUTE, RTM_DELROUTE: `struct rtmsg` with the prefix length at 1.
                guard [24, 25].contains(message.type), try message.payload.number(at: 1, as: UInt8.self, in: "route") > 0 else {
                    return true
                }
            }
            return false
        } catch {
            return true
        }
    }
}

/// Wakes a thread that waits in poll(2), once and for good.
final class StopSignal: Sendable {
    let descriptor: Int32

    init() throws {
        descriptor = meshgate_wakeup()
        guard descriptor >= 0 else { throw SystemError.failed(doing: "open", on: "an eventfd", errno: -descriptor) }
    }

    func raise() { meshgate_wake(descriptor) }

    deinit { close(descriptor) }
}
