package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"latchkey/engine"
	"latchkey/engine/console"
)

// This file is what bench links does over HTTP.

// press presses the button of a link and returns the answer's status.
func (l *linkBench) press(ctx context.Context, link engine.Secret) (int, error) {
	_, token, _ := strings.Cut(link.Reveal(), "/l/")
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, l.portal+"/l", strings.NewReader(url.Values{"t": {token}}.Encode()))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := l.http.Do(req)
	if err != nil {
		return 0, errors.New("no answer") // the error holds the URL
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	return res.StatusCode, err
}

func (l *linkBench) enter(ctx context.Context, link engine.Secret) error {
	status, err := l.press(ctx, link)
	if err == nil && status != http.StatusSeeOther {
		err = fmt.Errorf("a link gave status %d", status)
	}
	return err
}

// redeemMany starts an instance and redeems links as fast as it answers.
func (l *linkBench) redeemMany(ctx context.Context, links []engine.Secret) error {
	if _, err := l.run(ctx); err != nil {
		return err
	}
	pid := l.instance.cmd.Process.Pid
	cpu, start := cpuSeconds(pid), time.Now()
	err := together(benchMinters, len(links), func(i int) error { return l.enter(ctx, links[i]) })
	n := float64(max(1, len(links)))
	l.f.PerSecond, l.f.CPU = n/time.Since(start).Seconds(), (cpuSeconds(pid)-cpu)*1e6/n
	return err
}

// redeemAt redeems links at a steady rate, whether those before were answered or not, and takes the time of each from when it
// was due.
func (l *linkBench) redeemAt(ctx context.Context, links []engine.Secret) error {
	if l.f.Rate < 1 || len(links) == 0 {
		return nil
	}
	select { // what the instance still has to publish is no part of this
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(3 * time.Second):
	}
	took, errs := make([]time.Duration, len(links)), make([]error, len(links))
	var wg sync.WaitGroup
	start := time.Now()
	for i, link := range links {
		due := start.Add(time.Duration(i) * time.Second / time.Duration(l.f.Rate))
		time.Sleep(time.Until(due))
		wg.Go(func() {
			errs[i] = l.enter(ctx, link)
			took[i] = time.Since(due)
		})
	}
	wg.Wait()
	l.f.P50, l.f.P99 = quantile(took, 0.5), quantile(took, 0.99)
	return errors.Join(errs...)
}

// endSome makes links by hand, replaces and revokes them, and presses their buttons at once.
func (l *linkBench) endSome(ctx context.Context) error {
	expect := func(link console.Link, ended bool) error {
		status, err := l.press(ctx, engine.NewSecret(link.URL))
		switch {
		case err != nil:
			return err
		case ended && status != http.StatusGone:
			l.f.Stale++
		case !ended && status != http.StatusSeeOther:
			l.f.Failed++
		}
		return nil
	}
	for i := range l.f.Rounds {
		var one, two console.Link
		for _, into := range []*console.Link{&one, &two} {
			if err := l.api.do(ctx, http.MethodPost, "/v1/links", console.NewLink{Contact: l.knownContact(i % l.f.Contacts).ID}, into); err != nil {
				return err
			}
		}
		if err := errors.Join(expect(one, true), expect(two, false)); err != nil {
			return err
		}
		if err := l.revokeEither(ctx, i, two); err != nil {
			return err
		}
		if err := expect(two, true); err != nil {
			return err
		}
	}
	return nil
}

// revokeEither revokes a link by itself or with all of its contact, in turn.
func (l *linkBench) revokeEither(ctx context.Context, i int, link console.Link) error {
	if i%2 == 0 {
		return l.api.do(ctx, http.MethodPost, "/v1/links/"+link.ID+"/revoke", nil, &link)
	}
	var done console.Ended
	return l.api.do(ctx, http.MethodPost, "/v1/revoke", console.What{Contact: l.knownContact(i % l.f.Contacts).ID}, &done)
}
