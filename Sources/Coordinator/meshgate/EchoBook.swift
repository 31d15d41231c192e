// SPDX-License-Identifier: Apache-2.0

import MeshModel
import MeshSystem
import Synchronization

/// Which nodes answer datagrams at the moment, and with which token: a window is opened for each probe, and shared by those that come at the
/// same time. Windows are short, because an open one may be in the way of Cilium, which wants the very port that is tried.
final class EchoBook: Sendable {
    /// A survey with a hole on a way of a quarter of a second takes five seconds at most.
    static let lasts = Duration.seconds(8)
    /// So young a window is shared.
    static let young = Duration.milliseconds(1500)

    private struct Page {
        let token: Digest
        let port: UInt16
        let opened: Int64
    }

    private struct FramePlace: Hashable {
        let node: NodeID
        let port: TrunkPort
        let vlan: Int
    }

    private struct FramePage {
        let token: Digest
        let opened: Int64
    }

    private let framePages = Mutex<[FramePlace: FramePage]>([:])
    private let pages = Mutex<[NodeID: Page]>([:])
    private let entropy: any Entropy

    init(entropy: any Entropy = KernelEntropy()) { self.entropy = entropy }

    /// What makes `target` answer, and what it has to be told first, when it has no young window. `nil` where there is nothing to answer.
    func window(at target: PathTarget, now: Moment) throws -> (token: Digest, order: EchoWindow?)? {
        guard let port = target.port, let fresh = Digest(try entropy.bytes(32)) else { return nil }
        return pages.withLock { pages in
            if let page = pages[target.node], page.port == port, Duration.milliseconds(now.boot - page.opened) < Self.young {
                return (page.token, nil)
            }
            pages[target.node] = Page(token: fresh, port: port, opened: now.boot)
            return (fresh, EchoWindow(token: fresh, address: target.address, port: port, lasts: TimeSpan(Self.lasts)))
        }
    }

    /// The same for frames; `nil` where a router is to answer, which does so unasked.
    func window(at target: VLANTarget, now: Moment) throws -> (token: Digest, node: NodeID, order: FrameWindow?)? {
        guard case .node(let node, let port) = target.end, let fresh = Digest(try entropy.bytes(32)) else { return nil }
        let place = FramePlace(node: node, port: port, vlan: target.vlan)
        return framePages.withLock { pages in
            if let page = pages[place], Duration.milliseconds(now.boot - page.opened) < Self.young { return (page.token, node, nil) }
            pages[place] = FramePage(token: fresh, opened: now.boot)
            return (fresh, node, FrameWindow(token: fresh, port: port, vlan: target.vlan, lasts: TimeSpan(Self.lasts)))
        }
    }

    /// It could not be told, or says that it cannot answer.
    func forget(_ node: NodeID) {
        pages.withLock { $0[node] = nil }
        framePages.withLock { $0 = $0.filter { $0.key.node != node } }
    }
}

/// The task ids of questions and of what goes with them, and back: a report of an agent that did not understand names only its task.
struct ProbeTask: Hashable, Sendable {
    enum Purpose: Hashable, Sendable {
        case probe(ProbeKind)
        case listen
    }

    var epoch: Generation
    var purpose: Purpose
    var number: UInt64

    init(epoch: Generation, purpose: Purpose, number: UInt64) {
        self.epoch = epoch
        self.purpose = purpose
        self.number = number
    }

    var id: TaskID? {
        switch purpose {
        case .probe(let kind): TaskID("probe:\(epoch):\(kind.rawValue):\(number)")
        case .listen: TaskID("listen:\(epoch):\(number)")
        }
    }

    init?(_ id: TaskID) {
        let parts = id.text.split(separator: ":").map(String.init)
        guard let epoch = parts.dropFirst().first.flatMap(UInt64.init), let number = parts.last.flatMap(UInt64.init) else { return nil }
        switch (parts[0], parts.count) {
        case ("probe", 4):
            guard let kind = ProbeKind(rawValue: parts[2]) else { return nil }
            self.init(epoch: Generation(epoch), purpose: .probe(kind), number: number)
        case ("listen", 3): self.init(epoch: Generation(epoch), purpose: .listen, number: number)
        default: return nil
        }
    }
}
