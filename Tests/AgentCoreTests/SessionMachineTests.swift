// SPDX-License-Identifier: Apache-2.0

import AgentCore
import MeshTesting
import Testing

@Suite("SessionMachine")
struct SessionMachineTests {
    @Test("a session comes to life, asks for signs of life, and ends in a wait when they stop")
    func life() {
        var machine = SessionMachine(deadline: .seconds(5))
        #expect(machine.handle(.start, at: 0) == [.connect])
        #expect(machine.handle(.secured, at: 10) == [.greet])
        #expect(machine.handle(.welcomed(heartbeat: .seconds(10), patience: .seconds(15)), at: 20) == [.resend])
        #expect(machine.isLive)
        #expect(machine.nextTick == 10_020)
        #expect(machine.handle(.tick, at: 10_020) == [.askForLife])
        #expect(machine.handle(.heard, at: 10_030) == [])
        #expect(machine.handle(.tick, at: 20_020) == [.askForLife])
        #expect(machine.nextTick == 25_030)
        #expect(machine.handle(.tick, at: 25_030) == [.close(.silent), .backOff(afterSuccess: true)])
        machine.wait(until: 25_300)
        #expect(machine.handle(.tick, at: 25_299) == [])
        #expect(machine.handle(.tick, at: 25_300) == [.connect])
    }

    @Test("each phase before that has its deadline")
    func deadlines() {
        var machine = SessionMachine(deadline: .seconds(5))
        _ = machine.handle(.start, at: 0)
        #expect(machine.handle(.tick, at: 5000) == [.close(.notConnectedInTime), .backOff(afterSuccess: false)])
        _ = machine.handle(.tick, at: 5000)
        _ = machine.handle(.secured, at: 6000)
        #expect(machine.handle(.tick, at: 10_999) == [])
        #expect(machine.handle(.tick, at: 11_000) == [.close(.notWelcomedInTime), .backOff(afterSuccess: false)])
    }

    @Test("a short session does not count as a success: the next waits grow on")
    func flapping() {
        var machine = SessionMachine(deadline: .seconds(5))
        _ = machine.handle(.start, at: 0)
        _ = machine.handle(.secured, at: 1)
        _ = machine.handle(.welcomed(heartbeat: .seconds(10), patience: .seconds(15)), at: 2)
        #expect(machine.handle(.closed, at: 3) == [.backOff(afterSuccess: false)])
    }

    @Test("a refused session is closed and tried again later")
    func rejected() {
        var machine = SessionMachine(deadline: .seconds(5))
        _ = machine.handle(.start, at: 0)
        _ = machine.handle(.secured, at: 1)
        #expect(machine.handle(.rejected, at: 2) == [.close(.rejected), .backOff(afterSuccess: false)])
    }

    @Test(
        "any inputs in any order: one connection at a time, words only on it, a next tick while there is hope, silence after stop",
        arguments: 0..<60)
    func walk(seed: UInt64) {
        var random = SplitMix(seed: seed)
        var machine = SessionMachine(deadline: .seconds(5))
        var now: Int64 = 0
        var connected = false
        var stopped = false
        for _ in 0..<600 {
            now += Int64.random(in: 0..<4000, using: &random)
            let inputs: [SessionMachine.Input] = [
                .start, .secured, .welcomed(heartbeat: .seconds(1), patience: .seconds(3)), .rejected, .heard, .closed, .tick, .tick, .tick,
            ]
            var input = inputs.randomElement(using: &random) ?? .tick
            if Int.random(in: 0..<400, using: &random) == 0 { input = .stop }
            if input == .closed { connected = false }
            for output in machine.handle(input, at: now) {
                #expect(!stopped, "an output after stop")
                switch output {
                case .connect:
                    #expect(!connected, "a second connection")
                    connected = true
                case .greet, .resend, .askForLife: #expect(connected || input != .closed)
                case .close: connected = false
                case .backOff:
                    #expect(!connected || input == .closed)
                    connected = false
                    machine.wait(until: now + Int64.random(in: 0..<5000, using: &random))
                }
            }
            if input == .stop { stopped = true }
            if stopped { #expect(machine.state == .stopped && machine.nextTick == nil) }
            if !stopped, machine.state != .idle { #expect(machine.nextTick != nil) }
        }
    }
}
