// SPDX-License-Identifier: Apache-2.0

internal import CCurl
import Glibc
import Synchronization

/// The thread that owns a curl multi handle. Everybody else only posts orders to it.
final class CurlLoop: Sendable {
    enum Order: Sendable {
        case begin(Exchange, HTTPRequest)
        case resume(ObjectIdentifier)
        case drop(ObjectIdentifier)
        case stop
    }

    fileprivate struct Inbox {
        var orders: [Order] = []
        var isOpen = true
    }

    private static let initialised = curl_global_init(Int(CURL_GLOBAL_DEFAULT))
    /// Milliseconds between two looks at exchanges with an idle limit, and of a wait that only an order or the network ends.
    private static let idleCheck: Int32 = 200
    private static let longNap: Int32 = 60_000
    private let inbox = Mutex(Inbox())
    /// Used by our thread alone, except for curl_multi_wakeup, which libcurl allows from any thread, and which we only call while the inbox
    /// is open: it is closed before the handle goes away.
    nonisolated(unsafe) private let multi: UnsafeMutableRawPointer

    init() throws {
        guard Self.initialised == CURLE_OK, let multi = curl_multi_init() else {
            throw HTTPClientError.brokenOff(url: "any server", said: "libcurl cannot be initialised")
        }
        self.multi = multi
    }

    func start() throws {
        var thread = pthread_t()
        let me = Unmanaged.passRetained(self)
        let code = pthread_create(&thread, nil, runLoop, me.toOpaque())
        guard code == 0 else {
            me.release()
            inbox.withLock { $0.isOpen = false }
            curl_multi_cleanup(multi)
            throw HTTPClientError.brokenOff(url: "any server", said: "no thread for libcurl: \(String(cString: strerror(code)))")
        }
        pthread_detach(thread)
    }

    func stop() { post(.stop) }

    func post(_ order: Order) {
        let isOpen = inbox.withLock { inbox in
            guard inbox.isOpen else { return false }
            inbox.orders.append(order)
            curl_multi_wakeup(multi)
            return true
        }
        if !isOpen, case .begin(let exchange, let request) = order { Self.refuse(exchange, request) }
    }

    private static func refuse(_ exchange: Exchange, _ request: HTTPRequest) {
        exchange.end(.failure(HTTPClientError.brokenOff(url: request.place, said: "this HTTP client has stopped")))
    }

    // MARK: The thread

    fileprivate func run() {
        var transfers: [ObjectIdentifier: CurlTransfer] = [:]
        var isStopping = false
        while !isStopping {
            for order in inbox.withLock({ inbox in inbox.takeOrders() }) {
                switch order {
                case .begin(let exchange, let request): begin(exchange, request, &transfers)
                case .resume(let id): transfers[id]?.resume()
                case .drop(let id): transfers.removeValue(forKey: id).map { forget($0) }
                case .stop: isStopping = true
                }
            }
            var running: Int32 = 0
            guard !isStopping, curl_multi_perform(multi, &running) == CURLM_OK else { break }
            collect(&transfers)
            let nap = endIdle(&transfers) ? Self.idleCheck : Self.longNap
            guard curl_multi_poll(multi, nil, 0, nap, nil) == CURLM_OK else { break }
        }
        close(&transfers)
    }

    private func begin(_ exchange: Exchange, _ request: HTTPRequest, _ transfers: inout [ObjectIdentifier: CurlTransfer]) {
        do {
            let transfer = try CurlTransfer(request, exchange)
            let code = curl_multi_add_handle(multi, transfer.easy)
            guard code == CURLM_OK else {
                throw HTTPClientError.brokenOff(url: request.place, said: String(cString: curl_multi_strerror(code)))
            }
            transfers[exchange.id] = transfer
        } catch {
            exchange.end(.failure(error))
        }
    }

    private func collect(_ transfers: inout [ObjectIdentifier: CurlTransfer]) {
        var outcome = CURLE_OK
        while let easy = meshgate_curl_next_done(multi, &outcome) {
            guard let context = meshgate_curl_private(easy) else { continue }
            let transfer = Unmanaged<CurlTransfer>.fromOpaque(context).takeUnretainedValue()
            transfers[transfer.exchange.id] = nil
            forget(transfer)
            transfer.finish(outcome)
        }
    }

    /// Ends the exchanges that wait too long for their next byte. True when some of the others must be looked at again.
    private func endIdle(_ transfers: inout [ObjectIdentifier: CurlTransfer]) -> Bool {
        let limited = transfers.values.filter { $0.request.idleLimit != nil }
        guard !limited.isEmpty else { return false }
        let now = ContinuousClock.now
        for transfer in limited where transfer.isIdle(now) {
            transfers[transfer.exchange.id] = nil
            forget(transfer)
            transfer.endIdle()
        }
        return true
    }

    private func forget(_ transfer: CurlTransfer) { curl_multi_remove_handle(multi, transfer.easy) }

    private func close(_ transfers: inout [ObjectIdentifier: CurlTransfer]) {
        let late = inbox.withLock { inbox in
            inbox.isOpen = false
            return inbox.takeOrders()
        }
        for case .begin(let exchange, let request) in late { Self.refuse(exchange, request) }
        for transfer in transfers.values {
            forget(transfer)
            Self.refuse(transfer.exchange, transfer.request)
        }
        transfers = [:]
        curl_multi_cleanup(multi)
    }
}

extension CurlLoop.Inbox {
    fileprivate mutating func takeOrders() -> [CurlLoop.Order] {
        defer { orders = [] }
        return orders
    }
}

private func runLoop(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let argument else { return nil }
    // Signals belong to the main thread; SIGPIPE above all must not end us when a server goes away while OpenSSL writes.
    var all = sigset_t()
    sigfillset(&all)
    pthread_sigmask(SIG_SETMASK, &all, nil)
    Unmanaged<CurlLoop>.fromOpaque(argument).takeRetainedValue().run()
    return nil
}
