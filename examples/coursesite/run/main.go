// Command run serves the example course site beside a `latchkey run` of the example academy:
//
//	go run ./examples/coursesite/run
package main

import (
	"flag"
	"log"
	"net/http"
	"time"

	"latchkey/examples/coursesite"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:8090", "address")
	latchkey := flag.String("latchkey", "http://127.0.0.1:8080", "its base_url")
	secret := flag.String("secret", "", "apps.courses.secret of sso: oidc; without one it takes tokens")
	flag.Parse()
	srv := &http.Server{Addr: *listen, Handler: coursesite.New(*latchkey, "http://"+*listen, *secret), ReadHeaderTimeout: 10 * time.Second}
	log.Printf("course site: http://%s", *listen)
	log.Fatal(srv.ListenAndServe())
}
