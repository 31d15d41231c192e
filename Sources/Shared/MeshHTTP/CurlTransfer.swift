// SPDX-License-Identifier: Apache-2.0

internal import CCurl
import Glibc
import MeshModel

/// One exchange as libcurl sees it. Lives and dies on the curl thread.
final class CurlTransfer {
    /// A head larger than this is not one that we asked for.
    private static let headLimit = 256 << 10

    let easy: UnsafeMutableRawPointer
    let request: HTTPRequest
    let exchange: Exchange
    private let said = UnsafeMutablePointer<CChar>.allocate(capacity: Int(CURL_ERROR_SIZE))
    private var lists: [UnsafeMutablePointer<curl_slist>] = []
    private var headBytes = 0
    private var status = 0
    private var headers: [HTTPHeader] = []
    private var headIsDone = false
    private var heardAt = ContinuousClock.now

    init(_ request: HTTPRequest, _ exchange: Exchange) throws {
        guard let easy = curl_easy_init() else { throw HTTPClientError.brokenOff(url: request.place, said: "no memory for libcurl") }
        self.easy = easy
        self.request = request
        self.exchange = exchange
        said.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))
        try configure()
    }

    deinit {
        curl_easy_cleanup(easy)
        lists.forEach { curl_slist_free_all($0) }
        said.deallocate()
    }

    func resume() {
        heardAt = .now
        curl_easy_pause(easy, CURLPAUSE_CONT)
    }

    /// Whether nothing has arrived for longer than the request allows, although the reader was ready. libcurl's own limit on low speed
    /// judges by the mean of some seconds and comes late.
    func isIdle(_ now: ContinuousClock.Instant) -> Bool {
        guard let limit = request.idleLimit, !exchange.isFull else { return false }
        return now - heardAt >= limit
    }

    func endIdle() {
        let limit = (request.idleLimit ?? .zero).briefly
        exchange.end(.failure(HTTPClientError.timedOut(url: request.place, said: "nothing has arrived for \(limit)")))
    }

    func finish(_ outcome: CURLcode) {
        exchange.end(outcome == CURLE_OK ? .success(()) : .failure(failure(outcome)))
    }

    func set(_ option: CURLoption, _ value: Int) throws { try check(meshgate_curl_set_number(easy, option, value), option) }
    func set(_ option: CURLoption, _ value: String?) throws { try check(meshgate_curl_set_text(easy, option, value), option) }
    func set(_ option: CURLoption, bytes: [UInt8]) throws {
        try check(bytes.withUnsafeBytes { meshgate_curl_set_blob(easy, option, $0.baseAddress, $0.count) }, option)
    }
    func set(_ option: CURLoption, list texts: [String]) throws {
        var list: UnsafeMutablePointer<curl_slist>?
        for text in texts { list = curl_slist_append(list, text) ?? list }
        if let list { lists.append(list) }
        try check(meshgate_curl_set_list(easy, option, list), option)
    }

    func set(body: [UInt8]) throws {
        try check(meshgate_curl_set_size(easy, CURLOPT_POSTFIELDSIZE_LARGE, curl_off_t(body.count)), CURLOPT_POSTFIELDSIZE_LARGE)
        var body = body.isEmpty ? [0] : body
        try check(
            body.withUnsafeMutableBytes { meshgate_curl_set_pointer(easy, CURLOPT_COPYPOSTFIELDS, $0.baseAddress) }, CURLOPT_COPYPOSTFIELDS)
    }

    func setCallbacks() throws {
        let me = Unmanaged.passUnretained(self).toOpaque()
        try check(meshgate_curl_set_pointer(easy, CURLOPT_ERRORBUFFER, said), CURLOPT_ERRORBUFFER)
        for option in [CURLOPT_PRIVATE, CURLOPT_HEADERDATA, CURLOPT_WRITEDATA] {
            try check(meshgate_curl_set_pointer(easy, option, me), option)
        }
        try check(
            meshgate_curl_set_sink(easy, CURLOPT_HEADERFUNCTION) { bytes, size, count, context in
                guard let bytes, let context else { return 0 }
                let line = UnsafeRawBufferPointer(start: bytes, count: size * count)
                return Unmanaged<CurlTransfer>.fromOpaque(context).takeUnretainedValue().hearHead(line) ? size * count : 0
            }, CURLOPT_HEADERFUNCTION)
        try check(
            meshgate_curl_set_sink(easy, CURLOPT_WRITEFUNCTION) { bytes, size, count, context in
                guard let bytes, let context else { return 0 }
                let piece = UnsafeRawBufferPointer(start: bytes, count: size * count)
                let transfer = Unmanaged<CurlTransfer>.fromOpaque(context).takeUnretainedValue()
                transfer.heardAt = .now
                return transfer.exchange.offer(piece) ? size * count : Int(CURL_WRITEFUNC_PAUSE)
            }, CURLOPT_WRITEFUNCTION)
    }

    /// An informational response (1xx) comes first sometimes: the head is the last one that ends before the body. Trailers come after it.
    private func hearHead(_ line: UnsafeRawBufferPointer) -> Bool {
        headBytes += line.count
        heardAt = .now
        guard headBytes <= Self.headLimit else { return false }
        guard !headIsDone else { return true }
        let text = String(decoding: line, as: UTF8.self).filter { !$0.isNewline }
        if text.hasPrefix("HTTP/") {
            headers = []
            let parts = text.split(separator: " ")
            status = parts.count > 1 ? Int(parts[1]) ?? 0 : 0
        } else if let colon = text.firstIndex(of: ":") {
            headers.append(HTTPHeader(String(text[..<colon]), trimmed(text[text.index(after: colon)...])))
        } else if text.isEmpty, status >= 200 {
            headIsDone = true
            exchange.begin(HTTPHead(status: status, headers: headers))
        }
        return true
    }

    private func trimmed(_ text: Substring) -> String {
        let left = text.drop { $0 == " " || $0 == "\t" }
        return String(left.reversed().drop { $0 == " " || $0 == "\t" }.reversed())
    }

    private func check(_ code: CURLcode, _ option: CURLoption) throws {
        guard code != CURLE_OK else { return }
        let what = curl_easy_option_by_id(option).map { String(cString: $0.pointee.name) } ?? "option \(option.rawValue)"
        throw HTTPClientError.malformed(url: request.place, reason: "libcurl refuses \(what): \(String(cString: curl_easy_strerror(code)))")
    }

    private func failure(_ outcome: CURLcode) -> HTTPClientError {
        let url = request.place
        let text = said.pointee == 0 ? String(cString: curl_easy_strerror(outcome)) : String(cString: said)
        switch outcome {
        case CURLE_URL_MALFORMAT:
            return .malformed(url: url, reason: text)
        case CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_CONNECT:
            return .unreachable(url: url, said: text)
        case CURLE_OPERATION_TIMEDOUT:
            return .timedOut(url: url, said: text)
        case CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CERTPROBLEM, CURLE_SSL_CACERT_BADFILE, CURLE_SSL_ISSUER_ERROR, CURLE_SSL_CIPHER:
            return .untrusted(url: url, said: text)
        case CURLE_SSL_CONNECT_ERROR where !text.contains("SSL_ERROR_SYSCALL"):
            return .untrusted(url: url, said: text)
        case CURLE_RECV_ERROR where text.contains("alert"), CURLE_SEND_ERROR where text.contains("alert"):
            // In TLS 1.3 a server refuses our certificate only after the handshake is over for us.
            return .untrusted(url: url, said: text)
        case CURLE_WRITE_ERROR where headBytes > Self.headLimit:
            return .responseTooLarge(url: url, limit: Self.headLimit)
        case CURLE_RECV_ERROR where request.url.hasPrefix("https:") && headBytes == 0,
            CURLE_SEND_ERROR where request.url.hasPrefix("https:") && headBytes == 0:
            // The server's alert about our certificate can be lost when it closes at once.
            return .brokenOff(url: url, said: text + " (before any answer, as when a server refuses our client certificate)")
        default:
            return .brokenOff(url: url, said: text)
        }
    }
}
