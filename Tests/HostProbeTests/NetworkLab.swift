// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import Testing

/// Two network namespaces joined by a veth pair, made with `ip` and removed with the last reference.
final class NetworkLab: @unchecked Sendable {
    static let isPossible: Bool = geteuid() == 0 && access("/usr/sbin/ip", X_OK) == 0 && access("/usr/sbin/nft", X_OK) == 0
    static let reason: Comment = "needs root, ip and nft, to make network namespaces"

    let here: String
    let there: String

    init() throws {
        let name = "mgt\(UInt32.random(in: 0..<1_000_000))"
        here = name + "a"
        there = name + "b"
        for command in [
            "ip netns add \(here)", "ip netns add \(there)",
            "ip -n \(here) link set lo up", "ip -n \(there) link set lo up",
            "ip -n \(here) link add pair0 address 02:00:00:00:aa:01 mtu 1450 type veth peer name pair0 netns \(there)",
            // The kernel would add a link-local address at a time of its own.
            "ip -n \(here) link set pair0 addrgenmode none", "ip -n \(there) link set pair0 addrgenmode none",
            "ip -n \(here) addr add 10.77.0.1/24 dev pair0", "ip -n \(here) addr add fd77::1/64 dev pair0 nodad",
            "ip -n \(there) addr add 10.77.0.2/24 dev pair0", "ip -n \(there) addr add fd77::2/64 dev pair0 nodad",
            "ip -n \(there) link set pair0 mtu 1450 up", "ip -n \(here) link set pair0 up",
        ] { try shell(command) }
    }

    deinit {
        for name in [here, there] { _ = try? shell("ip netns del \(name)") }
    }

    /// What a JSON-speaking command prints inside the first namespace.
    func json(_ command: String) throws -> [[String: Any]] {
        let text = try shell("ip netns exec \(here) \(command)")
        return try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [[String: Any]])
    }

    func inside<Value: Sendable>(_ namespace: String, _ body: @escaping @Sendable () throws -> Value) throws -> Value {
        try Self.inside(namespace, body)
    }

    /// Runs `body` on a thread that lives in a namespace.
    static func inside<Value: Sendable>(_ namespace: String, _ body: @escaping @Sendable () throws -> Value) throws -> Value {
        let box = ResultBox<Value>()
        let thread = Thread {
            box.result = Result {
                try enter(namespace)
                return try body()
            }
            box.done.signal()
        }
        thread.start()
        box.done.wait()
        return try #require(box.result).get()
    }
}

private final class ResultBox<Value>: @unchecked Sendable {
    var result: Result<Value, any Error>?
    let done = DispatchSemaphore(value: 0)
}

struct ShellFailure: Error, CustomStringConvertible {
    let description: String
}

@discardableResult
func shell(_ command: String) throws -> String {
    guard let stream = popen(command + " 2>&1", "r") else { throw ShellFailure(description: "popen: \(errno)") }
    var output: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65536)
    while case let count = fread(&buffer, 1, buffer.count, stream), count > 0 { output += buffer[..<count] }
    let status = pclose(stream)
    let text = String(decoding: output, as: UTF8.self)
    guard status == 0 else { throw ShellFailure(description: "\(command): status \(status): \(text)") }
    return text
}

/// setns(2) is not in the Glibc module; only these tests need it.
private func enter(_ namespace: String) throws {
    typealias SetNamespace = @convention(c) (Int32, Int32) -> Int32
    let file = open("/run/netns/\(namespace)", O_RDONLY | O_CLOEXEC)
    defer { close(file) }
    let symbol = try #require(dlsym(nil, "setns"))
    guard unsafeBitCast(symbol, to: SetNamespace.self)(file, 0x4000_0000) == 0 else { throw ShellFailure(description: "setns: \(errno)") }
}

/// A listening TCP socket on an address of the calling thread's namespace; the kernel chooses the port.
struct Listener: Sendable {
    let descriptor: Int32
    let port: UInt16

    init(address: String) throws {
        let file = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        guard file >= 0, inet_pton(AF_INET, address, &name.sin_addr) == 1 else { throw ShellFailure(description: "socket: \(errno)") }
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let bound = withUnsafeMutablePointer(to: &name) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(file, $0, length) == 0 && listen(file, 64) == 0 && getsockname(file, $0, &length) == 0
            }
        }
        guard bound else { throw ShellFailure(description: "bind \(address): \(errno)") }
        descriptor = file
        port = UInt16(bigEndian: name.sin_port)
    }

    func end() { close(descriptor) }
}
