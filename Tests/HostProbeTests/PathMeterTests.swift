// SPDX-License-Identifier: Apache-2.0

import MeshModel
import Testing

@testable import HostProbe

/// A way in imagination: how long it is, what it loses, and what fits through it in each direction.
private struct ImaginedWay {
    var roundTrip = Duration.milliseconds(1)
    var there = 1500
    var back = 1500
    /// Of a hundred datagrams.
    var loss = 0
    var ownLink = 65_535
    var usesSubstitute = false
    var seed: UInt64 = 1

    /// Measures it, and says how long that took.
    func measure(mtu: Int) throws -> (PathFact.Echo?, Duration) {
        var random = SplitMix(state: seed)
        let target = try Way.target(mtu: mtu)
        var meter = PathMeter(target)
        let seen = try #require(IPAddress("10.0.0.1"))
        var flying: [(at: Duration, sequence: UInt32)] = []
        var now = Duration.zero
        var steps = 0
        while !meter.isDone, steps < 100_000 {
            steps += 1
            for shot in meter.due(at: now) {
                if shot.size > ownLink { meter.refused(shot); continue }
                guard shot.toSubstitute == usesSubstitute, shot.size <= there, shot.kind == .brief || shot.size <= back else { continue }
                guard random.next() % 100 >= UInt64(loss) else { continue }
                flying.append((now + roundTrip, shot.sequence))
            }
            if meter.isDone { break }
            flying.sort { $0.at < $1.at }
            let wake = meter.wake(after: now)
            if let first = flying.first, first.at <= wake {
                flying.removeFirst()
                now = first.at
                meter.answered(first.sequence, from: seen, bySubstitute: usesSubstitute, at: now)
            } else {
                now = max(wake, now + .microseconds(1))
            }
        }
        return (meter.echo(port: 1, local: seen), now)
    }
}

@Suite("measuring a way")
struct PathMeterTests {
    @Test("any two sizes are found to the byte, within five seconds at any distance up to a quarter of a second")
    func sizes() throws {
        var random = SplitMix(state: 11)
        for round in 0..<400 {
            let mtu = [1280, 1500, 9000, 65_535][round % 4]
            var way = ImaginedWay()
            way.there = Int(random.next() % 9100) + 100
            way.back = Int(random.next() % 9100) + 100
            way.roundTrip = .microseconds(Int(random.next() % 250_000) + 1)
            let (echo, took) = try way.measure(mtu: mtu)
            let found = try #require(echo, "\(way)")
            #expect(found.there == min(mtu, way.there), "\(way)")
            #expect(found.back == min(mtu, way.there, way.back), "\(way)")
            #expect(found.received == 100)
            #expect(took < .seconds(5), "\(took) \(way)")
            if way.roundTrip < .milliseconds(50) { #expect(took < .seconds(2), "\(took) \(way)") }
        }
    }

    @Test("a sound way costs its echoes and one more round trip")
    func quick() throws {
        let (echo, took) = try ImaginedWay().measure(mtu: 1500)
        #expect(echo?.there == 1500 && took < .milliseconds(250))
    }

    @Test("one datagram in twenty that is lost makes no hole")
    func lossy() throws {
        for seed in 1...100 as ClosedRange<UInt64> {
            let (echo, _) = try ImaginedWay(loss: 5, seed: seed).measure(mtu: 1500)
            let found = try #require(echo)
            #expect(found.there == 1500 && found.back == 1500, "seed \(seed)")
            #expect(found.received < found.sent)
        }
    }

    @Test("an own link that is too small ends the search there")
    func ownLink() throws {
        let (echo, took) = try ImaginedWay(there: 60_000, back: 60_000, ownLink: 1450).measure(mtu: 9000)
        #expect(echo?.there == 1450 && echo?.back == 1450)
        #expect(took < .seconds(2))
    }

    @Test("silence ends with the patience, and is no echo")
    func silence() throws {
        let (echo, took) = try ImaginedWay(there: 0).measure(mtu: 1500)
        #expect(echo == nil && took >= PathMeter.patience && took < .seconds(2))
        #expect(try ImaginedWay(loss: 100).measure(mtu: 1500).0 == nil)
    }

    @Test("answers in any order, twice, late or of nobody's question never break it")
    func nonsense() throws {
        for seed in 1...200 as ClosedRange<UInt64> {
            var random = SplitMix(state: seed)
            var meter = PathMeter(try Way.target())
            let seen = try #require(IPAddress("10.0.0.1"))
            var now = Duration.zero
            var steps = 0
            while !meter.isDone, steps < 20_000 {
                steps += 1
                for shot in meter.due(at: now) where random.next() % 7 == 0 { meter.refused(shot) }
                meter.answered(UInt32(truncatingIfNeeded: random.next() % 400), from: seen, bySubstitute: random.next() % 2 == 0, at: now)
                now += .microseconds(Int(random.next() % 3000))
            }
            #expect(meter.isDone, "seed \(seed)")
            if let echo = meter.echo(port: 1, local: seen) {
                #expect(echo.received <= echo.sent && echo.back <= 1500 && echo.there <= 1500, "seed \(seed)")
            }
        }
    }
}

@Suite("datagrams of probes")
struct EchoDatagramTests {
    private let token = Array(repeating: UInt8(9), count: 32)

    @Test("a question has the size that it says, and its answer has as many bytes, or only a head")
    func sizes() throws {
        let asker = try #require(IPAddress("192.0.2.7"))
        for size in [80, 576, 1500, 9000] {
            let full = EchoDatagram(kind: .full, size: UInt16(size), nonce: 5, sequence: 6, rest: token)
            let bytes = full.bytes(.v4)
            #expect(bytes.count == size - 28)
            #expect(EchoDatagram(bytes) == full)
            let answer = try #require(full.answer(to: asker, 4711, received: bytes.count))
            #expect(answer.count == bytes.count)
            let back = try #require(EchoDatagram(answer))
            #expect(back.kind == .answer && back.nonce == 5 && back.sequence == 6 && back.seen == asker)
            #expect(back.answer(to: asker, 1, received: answer.count) == nil)
            var brief = full
            brief.kind = .brief
            #expect(brief.answer(to: asker, 1, received: bytes.count)?.count == EchoDatagram.headLength)
        }
        let six = try #require(IPAddress("2001:db8::1"))
        let question = EchoDatagram(kind: .brief, size: 100, nonce: 1, sequence: 1, rest: token)
        #expect(EchoDatagram(try #require(question.answer(to: six, 1, received: 52)))?.seen == six)
    }

    @Test("whatever bytes come, nothing is answered with more bytes than came")
    func hostile() throws {
        var random = SplitMix(state: 3)
        let asker = try #require(IPAddress("192.0.2.7"))
        let good = EchoDatagram(kind: .full, size: 300, nonce: 5, sequence: 6, rest: token).bytes(.v4)
        for _ in 0..<20_000 {
            var bytes = Array(good.prefix(Int(random.next() % 280)))
            for _ in 0..<random.next() % 4 where !bytes.isEmpty {
                bytes[Int(random.next() % UInt64(bytes.count))] = UInt8(truncatingIfNeeded: random.next())
            }
            guard let datagram = EchoDatagram(bytes) else { continue }
            if let answer = datagram.answer(to: asker, 1, received: bytes.count) { #expect(answer.count <= bytes.count) }
        }
    }

    @Test("an answer to somebody else's ping is not taken for one to ours")
    func pings() {
        let payload: [UInt8] = [1, 2, 3, 4, 5, 6, 7, 8]
        let reply: [UInt8] = [0, 0, 0, 0, 0x12, 0x34, 0, 1] + payload
        #expect(Pinger.isAnswer(reply[...], .v4, 0x1234, payload))
        #expect(!Pinger.isAnswer(reply[...], .v4, 0x1235, payload))
        #expect(!Pinger.isAnswer(reply[...], .v6, 0x1234, payload))
        #expect(!Pinger.isAnswer(reply[...], .v4, 0x1234, payload.reversed()))
        for count in 0..<16 { #expect(!Pinger.isAnswer(reply.prefix(count), .v4, 0x1234, payload)) }
    }
}
