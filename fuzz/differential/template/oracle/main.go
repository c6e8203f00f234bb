// Command tmploracle renders Go templates and prints what Go itself makes of them.
//
// Input: JSON lines {id, template, data, funcs, missingkey, parse_only}.
// Output: JSON lines {id, output} or {id, error, stage}.
//
// funcs: "argocd" (default): sprig v3 without env and expandenv, as the Argo CD
// notifications engine has it; "promoter": slim-sprig v3 without env, expandenv and
// getHostByName, plus urlQueryEscape; "sprig": the whole of sprig v3; "none".
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/url"
	"os"
	"runtime/debug"
	"strings"
	"text/template"
	"time"

	"github.com/Masterminds/sprig/v3"
	slim "github.com/go-task/slim-sprig/v3"
)

type Case struct {
	ID         string          `json:"id"`
	Template   string          `json:"template"`
	Data       json.RawMessage `json:"data,omitempty"`
	Funcs      string          `json:"funcs,omitempty"`
	MissingKey string          `json:"missingkey,omitempty"`
	ParseOnly  bool            `json:"parse_only,omitempty"`
}

type Result struct {
	ID     string  `json:"id"`
	Output *string `json:"output,omitempty"`
	Error  string  `json:"error,omitempty"`
	Stage  string  `json:"stage,omitempty"` // parse, exec, data, limit
}

func funcMap(profile string) (template.FuncMap, error) {
	switch profile {
	case "", "argocd":
		f := sprig.TxtFuncMap()
		delete(f, "env")
		delete(f, "expandenv")
		return f, nil
	case "promoter":
		f := template.FuncMap(slim.GenericFuncMap())
		delete(f, "env")
		delete(f, "expandenv")
		delete(f, "getHostByName")
		f["urlQueryEscape"] = url.QueryEscape
		return f, nil
	case "sprig":
		return sprig.TxtFuncMap(), nil
	case "none":
		return template.FuncMap{}, nil
	}
	return nil, fmt.Errorf("unknown function set %q", profile)
}

var errLimit = errors.New("output limit reached")

type limited struct {
	b   strings.Builder
	max int
}

func (l *limited) Write(p []byte) (int, error) {
	if l.b.Len()+len(p) > l.max {
		return 0, errLimit
	}
	return l.b.Write(p)
}

func Render(c Case, max int) (r Result) {
	r.ID = c.ID
	defer func() {
		if p := recover(); p != nil {
			r.Output, r.Error, r.Stage = nil, fmt.Sprint("panic: ", p), "exec"
		}
	}()
	fm, err := funcMap(c.Funcs)
	if err != nil {
		r.Error, r.Stage = err.Error(), "data"
		return
	}
	data, err := decodeData(c.Data)
	if err != nil {
		r.Error, r.Stage = err.Error(), "data"
		return
	}
	t, err := template.New("t").Funcs(fm).Parse(c.Template)
	if err != nil {
		r.Error, r.Stage = err.Error(), "parse"
		return
	}
	if c.ParseOnly {
		s := ""
		r.Output = &s
		return
	}
	if c.MissingKey != "" {
		t = t.Option("missingkey=" + c.MissingKey)
	}
	w := &limited{max: max}
	if err := t.Execute(w, data); err != nil {
		r.Error, r.Stage = err.Error(), "exec"
		if errors.Is(err, errLimit) {
			r.Stage = "limit"
		}
		return
	}
	s := w.b.String()
	r.Output = &s
	return
}

func main() {
	max := flag.Int("max-output", 64<<20, "largest output in bytes")
	wait := flag.Duration("timeout", 10*time.Second, "longest time for one case")
	flag.Parse()
	time.Local = time.UTC
	debug.SetMaxStack(64 << 20)
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	dec := json.NewDecoder(in)
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	for dec.More() {
		var c Case
		if err := dec.Decode(&c); err != nil {
			fmt.Fprintln(os.Stderr, "bad input:", err)
			os.Exit(2)
		}
		ch := make(chan Result, 1)
		go func() { ch <- Render(c, *max) }()
		var r Result
		select {
		case r = <-ch:
		case <-time.After(*wait):
			r = Result{ID: c.ID, Error: "timeout", Stage: "limit"}
		}
		// Flushed at once: a case that kills this process must not take earlier answers along.
		if enc.Encode(r) != nil || out.Flush() != nil {
			os.Exit(1)
		}
	}
}
