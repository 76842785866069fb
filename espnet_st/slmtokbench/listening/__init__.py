"""Listening tests: pages that raters open in a browser, and scores of their answers.

`plan` says what is heard, `sounds` makes it equally loud, `page` writes a page and the
key that belongs to it. `answers` reads what raters send back, `screening` says whose
answers count, `scores` computes the figures and `tables` writes them. The pages' own
HTML, CSS and JavaScript are in `assets`.
"""
