// SPDX-License-Identifier: Apache-2.0

import AgentCore
import MeshModel
import MeshSystem
import MeshWire
import NIOCore

/// The one loop that owns the link's state: every event goes through `handle`, which never waits for the network.
struct LinkLoop: Sendable {
    /// What happens to the link.
    enum Event: Sendable {
        case start
        case connection(Int, ConnectionEvent)
        case performed(NodeTask, TaskReport.Result, startedAt: Moment)
        case tick
        case stop
    }

    /// What the surrounding task group must do.
    enum Order: Sendable {
        case perform(NodeTask)
        case cancelAll
    }

    /// How long cancelled orders may take to end.
    private static let farewell = Duration.seconds(10)

    private let link: AgentLink
    private let group: any EventLoopGroup
    private let inlet: AsyncStream<Event>.Continuation
    private var machine: SessionMachine
    private var admission: Admission
    private var outbox: Outbox
    private var state: AgentState
    private var backoff: Backoff
    private var connection: LinkConnection?
    private var connectionNumber = 0
    private var heartbeatNumber: UInt64 = 0
    private var timer: (at: Int64, task: Scheduled<Void>)?
    private var stopBy: Int64?
    private var orders: [Order] = []
    /// The last words of a coordinator that refused the session, so that a refusal is told once and not again as a loss.
    private var wasRefused = false

    init(link: AgentLink, group: any EventLoopGroup, inlet: AsyncStream<Event>.Continuation) throws {
        self.link = link
        self.group = group
        self.inlet = inlet
        let configuration = link.configuration
        do {
            if let kept = try link.stateStore.load() {
                state = kept
            } else {
                state = AgentState(epoch: Generation(0), acknowledged: .empty, installation: try KernelEntropy().hexID())
                try link.stateStore.save(state)
            }
        } catch {
            throw AgentLinkError.storage(what: "state", cause: error)
        }
        do {
            outbox = try link.outboxStore.load() ?? Outbox()
        } catch {
            throw AgentLinkError.storage(what: "outbox", cause: error)
        }
        machine = SessionMachine(deadline: configuration.handshake)
        admission = Admission(node: configuration.node, epoch: state.epoch, concurrency: configuration.concurrentTasks)
        backoff = configuration.backoff
    }

    private var now: Moment { link.configuration.now() }
    private var endpoint: Endpoint { link.configuration.coordinators[(connectionNumber - 1) % link.configuration.coordinators.count] }

    /// True once stopped and nothing is under way any more.
    var isOver: Bool {
        guard let stopBy else { return false }
        return admission.underWay == 0 || now.boot >= stopBy
    }

    /// Carries out one order and brings its result back; runs in a task of its own.
    var perform: @Sendable (NodeTask) async -> Void {
        { [link, inlet] task in
            let startedAt = link.configuration.now()
            let result = await link.handler.perform(task)
            inlet.yield(.performed(task, result, startedAt: startedAt))
        }
    }

    // MARK: events

    mutating func handle(_ event: Event) -> [Order] {
        switch event {
        case .start: advance(.start)
        case .tick:
            timer = nil
            advance(.tick)
        case .stop:
            advance(.stop)
            stopBy = now.boot + Self.farewell.inMilliseconds
            if admission.underWay > 0 { orders.append(.cancelAll) }
        case .performed(let task, let result, let startedAt):
            link.tell(.performed(task.id))
            record(task.id, probe: task.probe, result, takenAt: startedAt)
            admission.finish(task.id)
        case .connection(let number, let event):
            if number == connectionNumber, let connection { handle(event, of: connection) }
        }
        pump()
        setTimer()
        defer { orders = [] }
        return orders
    }

    private mutating func handle(_ event: ConnectionEvent, of connection: LinkConnection) {
        switch event {
        case .secured: advance(.secured)
        case .closed(let why):
            if !wasRefused { link.tell(.lost(endpoint, why: why)) }
            self.connection = nil
            advance(.closed)
        case .frame(let frame):
            advance(.heard)
            take(frame)
            connection.consumed()
        }
    }

    private mutating func take(_ frame: CoordinatorFrame) {
        switch frame {
        case .rejected(let rejected): refused(rejected.code, rejected.words)
        case .welcome(let welcome) where !machine.isLive: take(welcome)
        case .task(let task) where machine.isLive: take(task)
        case .unknownOrder(let id) where machine.isLive:
            let refusal = TaskRefusal(.unsupported, "this agent does not know such an order; upgrade the agent")
            if !outbox.holds(id) { record(id, probe: nil, .refused(refusal), takenAt: now) }
        case .acknowledged(let acknowledged) where machine.isLive: take(acknowledged)
        case .heartbeat(let heartbeat) where machine.isLive:
            if !heartbeat.answer { beat(heartbeat.number, answer: true) }
        case .joined, .welcome, .task, .unknownOrder, .acknowledged, .heartbeat:
            refused("badFrame", "the coordinator sent a frame that has no place in this part of a session")
        }
    }

    private mutating func take(_ welcome: Welcome) {
        guard welcome.protocolVersion == LinkProtocol.version else {
            return refused("otherProtocol", "the coordinator welcomes in protocol \(welcome.protocolVersion); upgrade the older side")
        }
        if case .refused(let known) = admission.obey(welcome.epoch) {
            return refused(
                "oldEpoch", "the coordinator's epoch is \(welcome.epoch) and this agent has obeyed \(known); another coordinator acts")
        }
        guard keepEpoch() else { return refused("storage", "the new epoch could not be kept, so it is not obeyed") }
        advance(.welcomed(heartbeat: welcome.heartbeat, patience: welcome.patience))
        link.tell(.live(endpoint, epoch: welcome.epoch))
    }

    private mutating func take(_ task: NodeTask) {
        let decision = admission.admit(task, now: now.wall, supported: link.handler.supports(task.order), outbox: outbox)
        guard keepEpoch() else {
            if case .perform = decision { admission.finish(task.id) }
            return refused("storage", "the order's epoch could not be kept, so it is not obeyed")
        }
        switch decision {
        case .perform: orders.append(.perform(task))
        case .answerComes: break
        case .refuse(let refusal): record(task.id, probe: task.probe, .refused(refusal), takenAt: now)
        }
    }

    private mutating func take(_ acknowledged: Acknowledged) {
        if acknowledged.head.sequence >= state.acknowledged.sequence, acknowledged.head != state.acknowledged {
            state.acknowledged = acknowledged.head
            keepState()
        }
        if outbox.acknowledge(acknowledged.sequence) { keepOutbox() }
    }

    // MARK: rules to effects

    private mutating func advance(_ input: SessionMachine.Input) {
        for output in machine.handle(input, at: now.boot) {
            switch output {
            case .connect: connect()
            case .greet: greet()
            case .resend:
                outbox.reconnected()
            case .askForLife:
                heartbeatNumber += 1
                beat(heartbeatNumber, answer: false)
            case .close(let reason):
                if !wasRefused { link.tell(.lost(endpoint, why: "\(reason)")) }
                connection?.close()
                connection = nil
            case .backOff(let afterSuccess):
                if afterSuccess { backoff.reset() }
                var generator = SystemRandomNumberGenerator()
                let wait = backoff.next(using: &generator)
                machine.wait(until: now.boot + wait.inMilliseconds)
                link.tell(.waiting(wait))
            }
        }
    }

    private mutating func connect() {
        connectionNumber += 1
        wasRefused = false
        let (number, inlet) = (connectionNumber, inlet)
        link.tell(.connecting(endpoint))
        do {
            connection = .open(
                endpoint, alpn: LinkProtocol.session, identity: try link.configuration.identity(), judge: link.configuration.judge,
                timeout: link.configuration.handshake, on: group, events: { inlet.yield(.connection(number, $0)) })
        } catch {
            link.tell(.lost(endpoint, why: "the agent's own certificate or key cannot be used: \(error)"))
            advance(.closed)
        }
    }

    private func greet() {
        connection?.send(
            .hello(
                Hello(
                    agentVersion: link.configuration.agentVersion, node: link.configuration.node, bootID: link.configuration.bootID,
                    installation: state.installation, acknowledged: state.acknowledged, epoch: state.epoch, nextReport: outbox.nextSequence,
                    droppedReports: outbox.dropped)))
    }

    private func beat(_ number: UInt64, answer: Bool) {
        connection?.send(.heartbeat(Heartbeat(number: number, answer: answer, droppedReports: outbox.dropped)))
    }

    private mutating func refused(_ code: String, _ words: String) {
        link.tell(.refused(endpoint, code: code, words: words))
        wasRefused = true
        advance(.rejected)
    }

    private mutating func record(_ task: TaskID, probe: ProbeKind?, _ result: TaskReport.Result, takenAt: Moment) {
        var report = TaskReport(
            task: task, node: link.configuration.node, bootID: link.configuration.bootID, sequence: 0, age: TimeSpan(.zero), probe: probe,
            result: result)
        if let fault = report.wireFault { report.result = .failed("the answer cannot be sent: \(fault)") }
        let gone = outbox.add(report, takenAt: takenAt, sizeInBytes: report.sizeInBytes)
        keepOutbox()
        if gone > 0 { link.tell(.dropped(reports: UInt64(gone))) }
    }

    private mutating func pump() {
        guard machine.isLive, let connection else { return }
        while let entry = outbox.takeNext(window: link.configuration.window) {
            connection.send(.report(entry.report(at: now, boot: link.configuration.bootID)))
        }
    }

    // MARK: storage and time

    private mutating func keepEpoch() -> Bool {
        guard admission.epoch != state.epoch else { return true }
        state.epoch = admission.epoch
        return keepState()
    }

    @discardableResult
    private func keepState() -> Bool {
        do {
            try link.stateStore.save(state)
            return true
        } catch {
            link.tell(.storageFailed("\(error)"))
            return false
        }
    }

    /// A report that could not be kept is still sent; only a restart before its acknowledgement would lose it.
    private func keepOutbox() {
        do {
            try link.outboxStore.save(outbox)
        } catch {
            link.tell(.storageFailed("\(error)"))
        }
    }

    private mutating func setTimer() {
        guard let next = stopBy ?? machine.nextTick else { return }
        if let timer {
            guard next < timer.at else { return }
            timer.task.cancel()
        }
        let inlet = inlet
        timer = (next, group.next().scheduleTask(in: .milliseconds(max(1, next - now.boot))) { _ = inlet.yield(.tick) })
    }
}

extension NodeTask {
    /// The kind of the probe, when the order is one.
    fileprivate var probe: ProbeKind? { if case .probe(let probe) = order { probe.kind } else { nil } }
}
