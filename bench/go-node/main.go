// The bench's job in Go: answer with the joined answers of CALLS parallel calls, and log as many lines of the same
// length. Prints its port, then the CPU microseconds used so far for every line read on standard input.
package main

import (
	"bufio"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

func main() {
	calls, _ := strconv.Atoi(os.Args[1])
	callee := "http://127.0.0.1:" + os.Args[2] + "/"
	lineBytes, _ := strconv.Atoi(os.Args[4])
	file, err := os.OpenFile(os.Args[3], os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		panic(err)
	}
	out := bufio.NewWriterSize(file, 65536)
	var lock sync.Mutex
	seq := 0
	padding := strings.Repeat("x", max(0, lineBytes-230))
	payload := strings.Repeat("x", 100)
	line := func(event, trace, request string) {
		lock.Lock()
		seq++
		fmt.Fprintf(out, `{"timestamp":"%s","traceId":"%s","requestId":"%s","process":"abcdefgh","event":"%s","seq":%d,"instance":"web-1","service":"web","topology":"bench","pad":"%s"}`+"\n",
			time.Now().UTC().Format("2006-01-02T15:04:05.000Z"), trace, request, event, seq, padding)
		lock.Unlock()
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256, MaxConnsPerHost: 256}}
	handle := func(w http.ResponseWriter, r *http.Request) {
		trace := ""
		if parts := strings.Split(r.Header.Get("traceparent"), "-"); len(parts) == 4 {
			trace = parts[1]
		}
		var random [8]byte
		rand.Read(random[:])
		id := hex.EncodeToString(random[:])
		line("REQUEST_RECEIVED", trace, id)
		answers := make([]string, calls)
		var group sync.WaitGroup
		for i := range answers {
			group.Add(1)
			go func() {
				defer group.Done()
				line("REQUEST_SENT", trace, id)
				request, _ := http.NewRequestWithContext(r.Context(), "GET", callee, nil)
				request.Header.Set("traceparent", "00-"+trace+"-"+id+"-01")
				response, err := client.Do(request)
				if err != nil {
					return
				}
				body, _ := io.ReadAll(response.Body)
				response.Body.Close()
				answers[i] = string(body)
				line("RESPONSE_RECEIVED", trace, id)
			}()
		}
		group.Wait()
		body := `{"service":"web","instance":"web-1","requestId":"` + id + `","responses":[` + strings.Join(answers, ",") + `],"payload":"` + payload + `"}`
		line("RESULT_PRODUCED", trace, id)
		w.Header().Set("content-type", "application/json")
		w.Header().Set("x-request-id", id)
		w.Header().Set("content-length", strconv.Itoa(len(body)))
		io.WriteString(w, body)
		line("RESPONSE_SENT", trace, id)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	go http.Serve(listener, http.HandlerFunc(handle))
	input := bufio.NewScanner(os.Stdin)
	for input.Scan() {
		var usage syscall.Rusage
		syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
		fmt.Println(usage.Utime.Sec*1e6 + int64(usage.Utime.Usec) + usage.Stime.Sec*1e6 + int64(usage.Stime.Usec))
	}
}
