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
        case progress(TaskProgress)
        /// Something changed on this host that nobody asked about.
        case noticed(ProbeKind, [Fact], at: Moment)
        case tick
        case stop
    }

    /// What the surrounding task group must do.
    enum Order: Sendable {
        case perform(NodeTask)
        case cancelAll
    }

    /// How long cancelled orders may take to end.
    static let farewell = Duration.seconds(10)

    let link: AgentLink
    let group: any EventLoopGroup
    let inlet: AsyncStream<Event>.Continuation
    var machine: SessionMachine
    var admission: Admission
    var outbox: Outbox
    var state: AgentState
    var backoff: Backoff
    var connection: LinkConnection?
    var connectionNumber = 0
    var heartbeatNumber: UInt64 = 0
    var timer: (at: Int64, task: Scheduled<Void>)?
    var stopBy: Int64?
    var orders: [Order] = []
    /// What was noticed while nobody could be told, newest of each kind.
    var untold: [ProbeKind: (facts: [Fact], at: Moment)] = [:]
    /// The last words of a coordinator that refused the session, so that a refusal is told once and not again as a loss.
    var wasRefused = false

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

    var now: Moment { link.configuration.now() }
    var endpoint: Endpoint { link.configuration.coordinators[(connectionNumber - 1) % link.configuration.coordinators.count] }

    /// True once stopped and nothing is under way any more.
    var isOver: Bool {
        guard let stopBy else { return false }
        return admission.underWay == 0 || now.boot >= stopBy
    }

    /// Carries out one order and brings its result back; runs in a task of its own.
    var perform: @Sendable (NodeTask) async -> Void {
        { [link, inlet] task in
            let startedAt = link.configuration.now()
            let result = await link.handler.perform(task) { inlet.yield(.progress($0)) }
            inlet.yield(.performed(task, result, startedAt: startedAt))
        }
    }

    /// Watches the host while the link lasts; runs in a task of its own.
    var watch: @Sendable () async -> Void {
        { [link, inlet] in
            await link.handler.watch { probe, facts in inlet.yield(.noticed(probe, facts, at: link.configuration.now())) }
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
            // A proof reads for long, and what it read last is as old as its end; all else is as old as its beginning.
            record(task.id, probe: task.probe, result, takenAt: task.probe == .blankness ? now : startedAt)
            admission.finish(task.id)
        case .progress(let progress):
            // Without a session it is lost: the next one tells more.
            if machine.isLive { connection?.send(.progress(progress)) }
        case .noticed(let probe, let facts, let at):
            untold[probe] = (facts, at)
            if machine.isLive { tellNoticed() }
        case .connection(let number, let event):
            if number == connectionNumber, let connection { handle(event, of: connection) }
        }
        pump()
        setTimer()
        defer { orders = [] }
        return orders
    }

    mutating func handle(_ event: ConnectionEvent, of connection: LinkConnection) {
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
        case .feed: break  // Never on a connection that was dialled for orders.
        }
    }

    // MARK: rules to effects

    mutating func advance(_ input: SessionMachine.Input) {
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

    mutating func connect() {
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

    func greet() {
        connection?.send(
            .hello(
                Hello(
                    agentVersion: link.configuration.agentVersion, node: link.configuration.node, bootID: link.configuration.bootID,
                    installation: state.installation, acknowledged: state.acknowledged, epoch: state.epoch, nextReport: outbox.nextSequence,
                    droppedReports: outbox.dropped)))
    }

    func beat(_ number: UInt64, answer: Bool) {
        connection?.send(.heartbeat(Heartbeat(number: number, answer: answer, droppedReports: outbox.dropped)))
    }

    mutating func refused(_ code: String, _ words: String) {
        link.tell(.refused(endpoint, code: code, words: words))
        wasRefused = true
        advance(.rejected)
    }

    mutating func record(_ task: TaskID, probe: ProbeKind?, _ result: TaskReport.Result, takenAt: Moment) {
        var report = TaskReport(
            task: task, node: link.configuration.node, bootID: link.configuration.bootID, sequence: 0, age: TimeSpan(.zero), probe: probe,
            result: result)
        if let fault = report.wireFault { report.result = .failed("the answer cannot be sent: \(fault)") }
        let gone = outbox.add(report, takenAt: takenAt, sizeInBytes: report.sizeInBytes)
        keepOutbox()
        if gone > 0 { link.tell(.dropped(reports: UInt64(gone))) }
    }

    /// As reports of tasks that nobody gave: the coordinator takes them like answers, by their kind.
    mutating func tellNoticed() {
        for (probe, notice) in untold.sorted(by: { $0.key < $1.key }) {
            guard let task = TaskID("notice:\(probe.rawValue):\(notice.at.boot)") else { continue }
            record(task, probe: probe, .facts(notice.facts), takenAt: notice.at)
        }
        untold = [:]
    }

    mutating func pump() {
        guard machine.isLive, let connection else { return }
        while let entry = outbox.takeNext(window: link.configuration.window) {
            connection.send(.report(entry.report(at: now, boot: link.configuration.bootID)))
        }
    }

    // MARK: storage and time

    mutating func keepEpoch() -> Bool {
        guard admission.epoch != state.epoch else { return true }
        state.epoch = admission.epoch
        return keepState()
    }

    @discardableResult
    func keepState() -> Bool {
        do {
            try link.stateStore.save(state)
            return true
        } catch {
            link.tell(.storageFailed("\(error)"))
            return false
        }
    }

    /// A report that could not be kept is still sent; only a restart before its acknowledgement would lose it.
    func keepOutbox() {
        do {
            try link.outboxStore.save(outbox)
        } catch {
            link.tell(.storageFailed("\(error)"))
        }
    }

    mutating func setTimer() {
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
    var probe: ProbeKind? { if case .probe(let probe) = order { probe.kind } else { nil } }
}
