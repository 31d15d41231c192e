// SPDX-License-Identifier: Apache-2.0

import Glibc
package import MeshModel

/// Why a fact about this machine could not be had. The text becomes `Fact.unavailable`.
package enum HostProbeError: Error, Hashable, Sendable, CustomStringConvertible {
    case cannotRead(what: String, path: String, cause: String)
    case unexpected(what: String, path: String, found: String, wanted: String)
    case netlink(doing: String, errno: Int32)
    case packetFilter(errno: Int32)
    case netlinkMalformed(dump: String, fault: NetlinkFault)
    case netlinkRestless(dump: String, tries: Int)
    case netlinkTooLarge(dump: String, limit: Int)
    case tooManyTargets(Int, limit: Int)
    case notAnsweredHere(String, by: String)
    case frames(link: String, errno: Int32)
    case noPort(String, String)
    case bpf(errno: Int32)
    case cannotAnswer(address: IPAddress, port: UInt16, cause: String)

    package var description: String {
        switch self {
        case .cannotRead(let what, let path, let cause): "cannot read \(what) from \(path): \(cause)"
        case .unexpected(let what, let path, let found, let wanted):
            "cannot read \(what) from \(path): found \"\(found.prefix(80))\", wanted \(wanted)"
        case .netlink(let doing, let number): "cannot \(doing) over rtnetlink: \(words(number)); allow AF_NETLINK to the agent's service"
        case .packetFilter(let number) where number == EPERM || number == EACCES:
            "the kernel lists them to processes with CAP_NET_ADMIN only; `sudo meshgate-agent probe kernel` on the host shows them"
        case .packetFilter(let number): "cannot list them over netlink: \(words(number))"
        case .netlinkMalformed(let dump, let fault): "cannot read the kernel's list of \(dump): \(fault)"
        case .netlinkRestless(let dump, let tries):
            "cannot read the kernel's list of \(dump): it changed during each of \(tries) readings; ask again"
        case .netlinkTooLarge(let dump, let limit): "cannot read the kernel's list of \(dump): it is longer than \(limit) bytes"
        case .tooManyTargets(let count, let limit): "cannot test \(count) targets at once, the limit is \(limit); ask in parts"
        case .cannotAnswer(let address, let port, let cause):
            "cannot answer datagrams on \(address), port \(port), nor on \(PathTarget.substitute(for: port)): \(cause)"
        case .frames(let link, let number) where number == EPERM || number == EACCES:
            "cannot send frames on \(link): \(words(number)); the prober needs CAP_NET_RAW"
        case .frames(let link, let number) where number == ENOTSUP: "cannot send frames on \(link): it is no Ethernet link"
        case .frames(let link, let number): "cannot send frames on \(link): \(words(number))"
        case .noPort(let port, let why): "cannot answer frames on \(port): \(why)"
        case .bpf(let number) where number == EPERM || number == EACCES:
            "the kernel lists them to processes with CAP_SYS_ADMIN only; `sudo meshgate-agent probe kernel` on the host shows them"
        case .bpf(let number): "cannot list them by bpf(2): \(words(number))"
        case .notAnsweredHere(let what, let who): "cannot tell about \(what): that is answered by \(who)"
        }
    }
}

/// What an error number means, in the words of the C library.
func words(_ number: Int32) -> String { strerror(number).map { String(cString: $0) } ?? "error \(number)" }
