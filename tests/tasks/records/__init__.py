"""Tests of the records, their files and the error tree."""
