// SPDX-License-Identifier: Apache-2.0

import AgentCore
import MeshModel
import MeshSystem
import MeshWire
import NIOCore
import Telemetry

/// The one loop that owns the feed's state. The rules of when to dial, greet and give up are those of the link for orders.
struct FeedLoop {
    /// What happens to the feed.
    enum Event: Sendable {
        case start
        case connection(Int, ConnectionEvent)
        /// The spool has something new.
        case written
        case tick
        case stop
    }

    private let link: FeedLink
    private let group: any EventLoopGroup
    private let inbox: FeedInbox
    private var machine: SessionMachine
    private var backoff: Backoff
    private var connection: LinkConnection?
    private var connectionNumber = 0
    private var wasRefused = false
    private var timer: (at: Int64, task: Scheduled<Void>)?
    private var credit = FeedCredit()
    private var statementNumber: UInt64 = 0
    private var ordinal: UInt64 = 0
    /// Sent and not acknowledged, oldest first; the first has the ordinal `ordinal - count + 1`.
    private var underWay: [SpooledBatch] = []
    private var bytesUnderWay = 0
    private var isOver = false

    init(link: FeedLink, group: any EventLoopGroup, inbox: FeedInbox) {
        self.link = link
        self.group = group
        self.inbox = inbox
        machine = SessionMachine(deadline: link.configuration.handshake)
        backoff = link.configuration.backoff
    }

    private var now: Int64 { link.configuration.now().boot }
    private var endpoint: Endpoint { link.configuration.coordinators[(connectionNumber - 1) % link.configuration.coordinators.count] }

    mutating func handle(_ event: Event) {
        switch event {
        case .start: advance(.start)
        case .tick:
            timer = nil
            advance(.tick)
        case .stop:
            isOver = true
            advance(.stop)
        case .written: break
        case .connection(let number, let event):
            if number == connectionNumber, let connection { handle(event, of: connection) }
        }
        pump()
        setTimer()
    }

    private mutating func handle(_ event: ConnectionEvent, of connection: LinkConnection) {
        switch event {
        case .secured: advance(.secured)
        case .closed(let why):
            if !wasRefused { link.tell(.lost(endpoint, why: why)) }
            self.connection = nil
            advance(.closed)
        case .feed(let frame):
            advance(.heard)
            take(frame)
            connection.consumed()
        case .frame: break  // Never on a connection that was dialled for the feed.
        }
    }

    private mutating func take(_ frame: CoordinatorFeedFrame) {
        switch frame {
        case .welcome(let welcome):
            guard !machine.isLive else { return }
            credit = welcome.credit
            link.spool.rewind()
            (ordinal, underWay, bytesUnderWay) = (0, [], 0)
            advance(.welcomed(heartbeat: welcome.statement, patience: welcome.patience))
            guard machine.isLive else { return }
            link.tell(.live(endpoint))
            makeStatement()
        case .acknowledged(let number, let refusal, let credit):
            if let credit { self.credit = credit }
            acknowledged(number, refusal)
        case .rejected(let rejected):
            link.tell(.refused(endpoint, code: rejected.code, words: rejected.words))
            wasRefused = true
            advance(.rejected)
        case .taken: break  // A sign of life.
        }
    }

    private mutating func acknowledged(_ number: UInt64, _ refusal: String?) {
        let first = ordinal - UInt64(underWay.count) + 1
        guard machine.isLive, let oldest = underWay.first, number == first else {
            link.tell(.lost(endpoint, why: "the coordinator acknowledged batch \(number), and \(first) is the next to be"))
            connection?.close()
            connection = nil
            return advance(.closed)
        }
        underWay.removeFirst()
        bytesUnderWay -= oldest.bytes.count
        link.spool.acknowledge(oldest)
        if let refusal { link.tell(.batchRefused(oldest.stream, why: refusal)) }
    }

    // MARK: rules to effects

    private mutating func advance(_ input: SessionMachine.Input) {
        for output in machine.handle(input, at: now) {
            switch output {
            case .connect: connect()
            case .greet:
                let configuration = link.configuration
                connection?.send(
                    .hello(FeedHello(agentVersion: configuration.agentVersion, node: configuration.node, boot: configuration.bootID)))
            case .resend: break  // `take` has the spool begin again.
            case .askForLife: makeStatement()
            case .close(let reason):
                if !wasRefused, reason != .stopping { link.tell(.lost(endpoint, why: "\(reason)")) }
                connection?.close()
                connection = nil
            case .backOff(let afterSuccess):
                if afterSuccess { backoff.reset() }
                var generator = SystemRandomNumberGenerator()
                machine.wait(until: now + backoff.next(using: &generator).inMilliseconds)
            }
        }
    }

    private mutating func connect() {
        connectionNumber += 1
        wasRefused = false
        let (number, inbox) = (connectionNumber, inbox)
        do {
            connection = .open(
                endpoint, alpn: LinkProtocol.feed, identity: try link.configuration.identity(), judge: link.configuration.judge,
                timeout: link.configuration.handshake, on: group, events: { inbox.yield(.connection(number, $0)) })
        } catch {
            link.tell(.lost(endpoint, why: "the agent's own certificate or key cannot be used: \(error)"))
            advance(.closed)
        }
    }

    private mutating func makeStatement() {
        statementNumber += 1
        connection?.send(.statement(number: statementNumber, link.spool.statement))
    }

    /// Sends while there is credit. One batch may always be on its way, however large it is.
    private mutating func pump() {
        guard machine.isLive, let connection else { return }
        while underWay.count < credit.batches, underWay.isEmpty || bytesUnderWay < credit.bytes, let batch = link.spool.takeNext() {
            ordinal += 1
            underWay.append(batch)
            bytesUnderWay += batch.bytes.count
            connection.send(.batch(ordinal: ordinal, batch.bytes))
        }
    }

    private mutating func setTimer() {
        guard !isOver, let next = machine.nextTick else { return }
        if let timer {
            guard next < timer.at else { return }
            timer.task.cancel()
        }
        let inbox = inbox
        timer = (next, group.next().scheduleTask(in: .milliseconds(max(1, next - now))) { inbox.yield(.tick) })
    }
}
