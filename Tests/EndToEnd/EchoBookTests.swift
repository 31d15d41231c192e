// SPDX-License-Identifier: Apache-2.0

import FleetGateway
import Logging
import MeshModel
import MeshSystem
import MeshTesting
import Synchronization
import Testing

@testable import meshgate

@Suite("Windows for probes")
struct EchoBookTests {
    private func target(_ node: String = "wrk-w-1", port: UInt16? = 8472) throws -> PathTarget {
        PathTarget(
            node: try SmallMesh.need(NodeID(node)), address: try SmallMesh.need(IPAddress("10.2.0.21")), port: port, mtu: 1500)
    }

    private func moment(_ milliseconds: Int64) -> Moment { Moment(wall: Timestamp(milliseconds: milliseconds), boot: milliseconds) }

    @Test("those who ask at the same time share a window, later ones get a new one, and nobody knows two nodes' tokens")
    func shared() throws {
        let book = EchoBook()
        let first = try SmallMesh.need(try book.window(at: try target(), now: moment(1000)))
        let order = try SmallMesh.need(first.order)
        #expect(order.token == first.token && order.port == 8472 && order.address == IPAddress("10.2.0.21"))
        #expect(order.lasts == TimeSpan(EchoBook.lasts) && order.lasts <= EchoWindow.longest)
        let second = try SmallMesh.need(try book.window(at: try target(), now: moment(2400)))
        #expect(second.token == first.token && second.order == nil)
        let later = try SmallMesh.need(try book.window(at: try target(), now: moment(2500)))
        #expect(later.token != first.token && later.order?.token == later.token)
        let other = try SmallMesh.need(try book.window(at: try target("wrk-w-2"), now: moment(2500)))
        #expect(other.token != later.token && other.order != nil)
        // Whoever shares it latest still has the time of a whole survey.
        #expect(EchoBook.lasts - EchoBook.young >= .milliseconds(4500))
    }

    @Test("a node that could not be told, or does not answer, is told anew; where nobody answers datagrams there is no window")
    func forgotten() throws {
        let book = EchoBook()
        let first = try SmallMesh.need(try book.window(at: try target(), now: moment(0)))
        book.forget(try target().node)
        #expect(try book.window(at: try target(), now: moment(1))?.token != first.token)
        #expect(try book.window(at: try target(port: nil), now: moment(1)) == nil)
    }

    @Test("a question about ways is sent with the tokens of those who could be told; another passes as it is")
    func completed() async throws {
        let told = Mutex<[NodeTask]>([])
        let away = try SmallMesh.need(NodeID("wrk-w-2"))
        let desk = EchoDesk(
            dispatch: { task in
                told.withLock { $0.append(task) }
                return task.node == away ? .notConnected : .sent
            }, log: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let targets = [try target(), try target("wrk-w-2"), try target("wrk-w-3", port: nil)]
        let completed = await desk.completed(.paths(targets, tokens: [:]), epoch: Generation(3), now: moment(5))
        guard case .paths(targets, let tokens) = completed else { return #expect(Bool(false), "\(completed)") }
        #expect(tokens.keys.map(\.text) == ["wrk-w-1"])
        let orders = told.withLock { $0 }
        #expect(orders.map(\.node.text) == ["wrk-w-1", "wrk-w-2"] && orders.allSatisfy { $0.epoch == Generation(3) })
        guard case .listen(let window)? = orders.first?.order else { return #expect(Bool(false)) }
        #expect(window.token == tokens[targets[0].node])
        // Whoever says that it cannot answer is told anew, and its window counts no more.
        desk.listened(
            TaskReport(
                task: orders[0].id, node: targets[0].node, bootID: try SmallMesh.need(BootID("aaaaaaaa")), sequence: 1,
                age: TimeSpan(.zero), probe: nil, result: .failed("no prober")))
        _ = await desk.completed(.paths([targets[0]], tokens: [:]), epoch: Generation(3), now: moment(6))
        #expect(told.withLock { $0.count } == 3)
        #expect(await desk.completed(.kernel, epoch: Generation(3), now: moment(7)) == .kernel)
    }

    @Test("frames are answered by token as well: one for each node, port and VLAN, and none is asked of a router")
    func frames() async throws {
        let told = Mutex<[NodeTask]>([])
        let desk = EchoDesk(
            dispatch: { task in
                told.withLock { $0.append(task) }
                return .sent
            }, log: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let bridge = TrunkPort(name: "vmbr0", isBridge: true)
        let peer = try SmallMesh.need(NodeID("pve-2"))
        let targets = [
            VLANTarget(port: bridge, vlan: 110, end: .node(peer, at: bridge)),
            VLANTarget(port: bridge, vlan: 120, end: .node(peer, at: bridge)),
            VLANTarget(port: bridge, vlan: 110, end: .router(try SmallMesh.need(IPAddress("10.20.10.1")))),
        ]
        guard case .vlans(targets, let tokens) = await desk.completed(.vlans(targets, tokens: [:]), epoch: Generation(3), now: moment(5))
        else { return #expect(Bool(false)) }
        #expect(Set(tokens.keys) == Set(targets.prefix(2)) && tokens[targets[0]] != tokens[targets[1]])
        let orders = told.withLock { $0 }
        #expect(orders.count == 2 && orders.allSatisfy { $0.node == peer })
        guard case .listenFrames(let window)? = orders.first?.order else { return #expect(Bool(false)) }
        #expect(window.token == tokens[targets[0]] && window.port == bridge && window.vlan == 110 && window.lasts <= EchoWindow.longest)
        // A second one who asks shares the windows.
        guard case .vlans(_, let same) = await desk.completed(.vlans(targets, tokens: [:]), epoch: Generation(3), now: moment(9)) else {
            return #expect(Bool(false))
        }
        #expect(same == tokens && told.withLock { $0.count } == 2)
    }

    @Test("the ids of questions and of what goes with them lead back to their purpose, and other ids to none")
    func ids() throws {
        for purpose in [ProbeTask.Purpose.listen] + ProbeKind.allCases.map(ProbeTask.Purpose.probe) {
            let task = ProbeTask(epoch: Generation(3), purpose: purpose, number: 41)
            #expect(ProbeTask(try SmallMesh.need(task.id)) == task)
        }
        for text in ["step:run-1:east/cilium:1", "probe:1:nonsense:1", "probe:x:host:1", "listen:1", "listen:1:2:3", ":", "probe:1:host:x"]
        {
            #expect(ProbeTask(try SmallMesh.need(TaskID(text))) == nil, "\(text)")
        }
    }
}
